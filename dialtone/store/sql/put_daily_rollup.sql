INSERT INTO daily_rollups (start, series, data) VALUES (:start, :series, :data)
ON CONFLICT (start, series) DO UPDATE SET data = excluded.data
