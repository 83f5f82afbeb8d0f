SELECT * FROM visible_results WHERE id = :id
