SELECT * FROM slice_series WHERE tenant = :tenant ORDER BY id
