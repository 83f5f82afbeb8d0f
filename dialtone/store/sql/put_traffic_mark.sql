INSERT INTO traffic_marks (node, tenant, counts) VALUES (:node, :tenant, :counts)
ON CONFLICT (node, tenant) DO UPDATE SET counts = excluded.counts
