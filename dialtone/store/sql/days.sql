SELECT days.series, days.day, days.bits
FROM visible_series AS series CROSS JOIN visible_slices AS days ON days.series = series.id
WHERE series.since < :until AND (series.until IS NULL OR series.until > :since)
  AND (:tenants IS NULL OR series.tenant IN (SELECT value FROM json_each(:tenants)))
  AND days.day BETWEEN :first AND :last
ORDER BY series.id, days.day
