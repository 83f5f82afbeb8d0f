INSERT INTO probe_outcomes (tenant, flow, engine, location, outcome, failure, count)
VALUES (:tenant, :flow, :engine, :location, :outcome, :failure, :count)
ON CONFLICT (tenant, flow, engine, location, outcome, failure) DO UPDATE SET count = count + excluded.count
