SELECT * FROM visible_timings ORDER BY tenant, flow, engine, location, timing, bounds, bucket
