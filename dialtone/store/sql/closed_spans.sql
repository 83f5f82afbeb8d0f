SELECT since, until FROM closed_spans WHERE tenant = :tenant
