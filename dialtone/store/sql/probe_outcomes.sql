SELECT * FROM visible_outcomes ORDER BY tenant, flow, engine, location, outcome, failure
