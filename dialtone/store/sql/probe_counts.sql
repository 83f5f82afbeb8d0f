SELECT * FROM visible_counts ORDER BY tenant, flow, engine, location, name
