INSERT INTO closed_spans (tenant, since, until) VALUES (:tenant, :since, :until) ON CONFLICT DO NOTHING
