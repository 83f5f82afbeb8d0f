SELECT * FROM visible_corrections WHERE (:id IS NULL OR id = :id) ORDER BY id
