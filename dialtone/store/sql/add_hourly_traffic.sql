INSERT INTO hourly_traffic (hour, tenant, name, count) VALUES (:hour, :tenant, :name, :count)
ON CONFLICT (hour, tenant, name) DO UPDATE SET count = count + excluded.count
