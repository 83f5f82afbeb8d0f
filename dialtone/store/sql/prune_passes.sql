DELETE FROM results WHERE rowid IN (
    SELECT rowid FROM results INDEXED BY results_passed WHERE outcome = 'pass' ORDER BY started, id LIMIT :limit
)
