INSERT INTO alerts (
    fingerprint, rule, severity, state, since, started, tenant, node, flow, channel, probe, location,
    value, cause, topology, tenants, tenants_total
) VALUES (
    :fingerprint, :rule, :severity, :state, :since, :started, :tenant, :node, :flow, :channel, :probe,
    :location, :value, :cause, :topology, :tenants, :tenants_total
)
ON CONFLICT (fingerprint) DO UPDATE SET
    rule = excluded.rule, severity = excluded.severity, state = excluded.state, since = excluded.since,
    started = excluded.started, tenant = excluded.tenant, node = excluded.node, flow = excluded.flow,
    channel = excluded.channel, probe = excluded.probe, location = excluded.location,
    value = excluded.value, cause = excluded.cause, topology = excluded.topology,
    tenants = excluded.tenants, tenants_total = excluded.tenants_total
WHERE excluded.since >= alerts.since
