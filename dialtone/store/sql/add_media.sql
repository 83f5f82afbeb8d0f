INSERT INTO probe_media (tenant, flow, engine, location, listener, figure, bounds, bucket, count, sum)
VALUES (:tenant, :flow, :engine, :location, :listener, :figure, :bounds, :bucket, :count, :sum)
ON CONFLICT (tenant, flow, engine, location, listener, figure, bounds, bucket) DO UPDATE SET
    count = count + excluded.count, sum = sum + excluded.sum
