SELECT tenant, name, sum(count) AS count FROM visible_hourly_counts
WHERE hour >= :since
GROUP BY tenant, name
ORDER BY tenant, name
