-- The hours that have any are looked for one after another: a wrong clock may have left some centuries away.
SELECT series.*, hours.start, kept.data
FROM visible_rollup_series AS series
CROSS JOIN (
    WITH RECURSIVE found (start) AS (
        SELECT min(start) FROM rollup_hours WHERE start >= :since
        UNION ALL
        SELECT (SELECT min(start) FROM rollup_hours WHERE start > found.start)
        FROM found WHERE found.start < :until
    )
    SELECT start FROM found WHERE start < :until
) AS hours
CROSS JOIN visible_hourly_rollups AS kept ON kept.start = hours.start AND kept.series = series.id
WHERE :tenant IS NULL OR series.tenant = :tenant
