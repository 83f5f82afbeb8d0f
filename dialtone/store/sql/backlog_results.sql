SELECT * FROM results
WHERE (tenant, started, id) > (:tenant, :started, :id) AND rowid <= :last_row
ORDER BY tenant, started, id
LIMIT :limit
