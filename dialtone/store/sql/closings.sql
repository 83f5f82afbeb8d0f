SELECT sequence, tenant, period, closed, author, previous, hash, spans,
       iif(:whole, inputs, '') AS inputs, iif(:whole, figures, '') AS figures
FROM visible_closings
WHERE (:tenant IS NULL OR tenant = :tenant) AND (:period IS NULL OR period = :period)
ORDER BY sequence
