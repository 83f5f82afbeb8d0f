DELETE FROM results WHERE rowid IN (
    SELECT rowid FROM results WHERE started < :before ORDER BY started, id LIMIT :limit
)
