INSERT INTO corrections (tenant, begins, ends, state, author, reason, declared, flows)
VALUES (:tenant, :begins, :ends, :state, :author, :reason, :declared, :flows)
