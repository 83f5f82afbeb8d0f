-- Within the span, and of each series the last one before it: it may go on into the span.
SELECT causes.*
FROM visible_series AS series CROSS JOIN visible_causes AS causes ON causes.series = series.id
WHERE series.since < :until AND (series.until IS NULL OR series.until > :since)
  AND (:tenants IS NULL OR series.tenant IN (SELECT value FROM json_each(:tenants)))
  AND causes.slot < (:until_second + series.interval - 1) / series.interval
  AND causes.slot >= coalesce(
    (
        SELECT max(earlier.slot) FROM visible_causes AS earlier
        WHERE earlier.series = series.id
          AND earlier.slot <= (:since_second + series.interval - 1) / series.interval
    ),
    0
  )
ORDER BY causes.series, causes.slot
