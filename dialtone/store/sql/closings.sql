SELECT * FROM visible_closings
WHERE (:tenant IS NULL OR tenant = :tenant) AND (:period IS NULL OR period = :period)
ORDER BY sequence
