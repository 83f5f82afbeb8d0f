INSERT INTO audit (at, author, action, tenant, detail) VALUES (:at, :author, :action, :tenant, :detail)
