INSERT INTO probe_counts (tenant, flow, engine, location, name, count)
VALUES (:tenant, :flow, :engine, :location, :name, :count)
ON CONFLICT (tenant, flow, engine, location, name) DO UPDATE SET count = count + excluded.count
