SELECT sequence, closed, CAST(tenant AS BLOB) AS tenant, CAST(period AS BLOB) AS period,
       CAST(author AS BLOB) AS author, CAST(previous AS BLOB) AS previous, CAST(hash AS BLOB) AS hash,
       CAST(spans AS BLOB) AS spans, CAST(iif(:whole, inputs, '') AS BLOB) AS inputs,
       CAST(iif(:whole, figures, '') AS BLOB) AS figures
FROM visible_closings
WHERE (:tenant IS NULL OR tenant = :tenant) AND (:period IS NULL OR period = :period)
ORDER BY sequence
