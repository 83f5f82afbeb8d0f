SELECT results.* FROM visible_latest AS latest
JOIN visible_results AS results ON results.id = latest.id
ORDER BY latest.tenant, latest.probe, latest.location
