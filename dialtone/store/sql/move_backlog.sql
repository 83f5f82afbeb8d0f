UPDATE rollup_backlog SET tenant = :tenant, started = :started, id = :id
