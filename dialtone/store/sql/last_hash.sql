SELECT CAST(hash AS BLOB) AS hash FROM closings ORDER BY sequence DESC LIMIT 1
