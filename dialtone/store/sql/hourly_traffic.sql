SELECT tenant, name, sum(count) AS count FROM visible_hourly_traffic
WHERE hour >= :since
GROUP BY tenant, name
ORDER BY tenant, name
