SELECT * FROM visible_media ORDER BY tenant, flow, engine, location, listener, figure, bounds, bucket
