SELECT * FROM visible_audit WHERE (:tenant IS NULL OR tenant = :tenant) ORDER BY id DESC LIMIT :limit
