SELECT * FROM slice_series WHERE location = :location AND until IS NULL ORDER BY id
