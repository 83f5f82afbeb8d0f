INSERT INTO alerts (
    fingerprint, rule, severity, state, since, started, tenant, node, flow, channel, probe, location,
    value, cause
) VALUES (
    :fingerprint, :rule, :severity, :state, :since, :started, :tenant, :node, :flow, :channel, :probe,
    :location, :value, :cause
)
ON CONFLICT (fingerprint) DO UPDATE SET
    rule = excluded.rule, severity = excluded.severity, state = excluded.state, since = excluded.since,
    started = excluded.started, tenant = excluded.tenant, node = excluded.node, flow = excluded.flow,
    channel = excluded.channel, probe = excluded.probe, location = excluded.location,
    value = excluded.value, cause = excluded.cause
WHERE excluded.since >= alerts.since
