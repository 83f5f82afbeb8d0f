INSERT INTO unended (
    id, probe, flow, engine, tenant, target, location, account, origin, slot, attempt, started,
    duration, outcome, timings, sip_status, failure_code, failure_detail, evidence, counts,
    certificate_expires, media, interval
)
SELECT
    :id, :probe, :flow, :engine, :tenant, :target, :location, :account, :origin, :slot, :attempt, :started,
    :duration, :outcome, :timings, :sip_status, :failure_code, :failure_detail, :evidence, :counts,
    :certificate_expires, :media, :interval
WHERE NOT EXISTS (SELECT 1 FROM results WHERE id = :id)
ON CONFLICT (id) DO NOTHING
