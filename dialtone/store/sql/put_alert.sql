INSERT INTO alerts (
    fingerprint, rule, severity, state, since, started, tenant, node, flow, channel, value, cause
) VALUES (
    :fingerprint, :rule, :severity, :state, :since, :started, :tenant, :node, :flow, :channel, :value, :cause
)
ON CONFLICT (fingerprint) DO UPDATE SET
    rule = excluded.rule, severity = excluded.severity, state = excluded.state, since = excluded.since,
    started = excluded.started, tenant = excluded.tenant, node = excluded.node, flow = excluded.flow,
    channel = excluded.channel, value = excluded.value, cause = excluded.cause
WHERE excluded.since >= alerts.since
