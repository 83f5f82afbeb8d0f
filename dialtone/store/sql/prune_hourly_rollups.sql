DELETE FROM hourly_rollups WHERE (start, series) IN (
    SELECT start, series FROM hourly_rollups WHERE start < :before ORDER BY start, series LIMIT :limit
)
