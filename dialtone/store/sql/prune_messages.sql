DELETE FROM outbox WHERE sequence IN (
    SELECT sequence FROM outbox WHERE settled < :before ORDER BY settled LIMIT :limit
)
