INSERT INTO results (
    id, probe, flow, engine, tenant, target, location, account, origin, slot, attempt, started,
    duration, outcome, timings, sip_status, failure_code, failure_detail, evidence, counts,
    certificate_expires, media, interval
) VALUES (
    :id, :probe, :flow, :engine, :tenant, :target, :location, :account, :origin, :slot, :attempt, :started,
    :duration, :outcome, :timings, :sip_status, :failure_code, :failure_detail, :evidence, :counts,
    :certificate_expires, :media, :interval
)
ON CONFLICT (id) DO NOTHING
