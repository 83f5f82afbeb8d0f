INSERT INTO traffic_nodes (node, at, uptime) VALUES (:node, :at, :uptime)
ON CONFLICT (node) DO UPDATE SET at = excluded.at, uptime = excluded.uptime
