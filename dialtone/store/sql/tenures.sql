SELECT * FROM slice_series
WHERE tenant = :tenant AND flow = :flow AND probe = :probe AND location = :location AND interval = :interval
