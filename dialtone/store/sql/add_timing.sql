INSERT INTO probe_timings (tenant, flow, engine, location, timing, bounds, bucket, count, sum)
VALUES (:tenant, :flow, :engine, :location, :timing, :bounds, :bucket, :count, :sum)
ON CONFLICT (tenant, flow, engine, location, timing, bounds, bucket) DO UPDATE SET
    count = count + excluded.count, sum = sum + excluded.sum
