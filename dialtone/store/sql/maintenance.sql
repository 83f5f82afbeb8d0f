SELECT * FROM visible_maintenance WHERE (:id IS NULL OR id = :id) ORDER BY id
