INSERT INTO slices (series, day, bits) VALUES (:series, :day, :bits)
ON CONFLICT (series, day) DO UPDATE SET bits = excluded.bits
