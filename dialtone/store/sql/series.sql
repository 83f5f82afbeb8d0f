SELECT * FROM visible_series
WHERE since < :until AND (until IS NULL OR until > :since)
  AND (:tenants IS NULL OR tenant IN (SELECT value FROM json_each(:tenants)))
ORDER BY tenant, flow, probe, location, since, id
