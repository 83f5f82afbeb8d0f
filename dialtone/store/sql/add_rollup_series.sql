INSERT INTO rollup_series (tenant, flow, probe, engine, location)
VALUES (:tenant, :flow, :probe, :engine, :location)
RETURNING id
