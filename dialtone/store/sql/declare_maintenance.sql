INSERT INTO maintenance (
    tenant, begins, seconds, author, reason, declared, flows, recurs, zone, source, name
) VALUES (
    :tenant, :begins, :seconds, :author, :reason, :declared, :flows, :recurs, :zone, :source, :name
)
