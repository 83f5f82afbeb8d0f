DELETE FROM results WHERE rowid IN (
    SELECT rowid FROM results WHERE outcome = 'pass' ORDER BY started, id LIMIT :limit
)
