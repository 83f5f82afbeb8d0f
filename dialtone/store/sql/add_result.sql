INSERT INTO results (
    id, probe, flow, engine, tenant, target, location, account, origin, slot, attempt, started,
    duration, outcome, timings, sip_status, failure_code, failure_detail, evidence, counts,
    certificate_expires
) VALUES (
    :id, :probe, :flow, :engine, :tenant, :target, :location, :account, :origin, :slot, :attempt, :started,
    :duration, :outcome, :timings, :sip_status, :failure_code, :failure_detail, :evidence, :counts,
    :certificate_expires
)
ON CONFLICT (id) DO NOTHING
