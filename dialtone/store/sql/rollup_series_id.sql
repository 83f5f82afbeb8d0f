SELECT id FROM rollup_series
WHERE tenant = :tenant AND flow = :flow AND probe = :probe AND engine = :engine AND location = :location
