SELECT count(*) FROM closings WHERE tenant = :tenant AND period = :period
