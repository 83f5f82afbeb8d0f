-- Which probe and which location an alert is about.
ALTER TABLE alerts ADD COLUMN probe TEXT;
ALTER TABLE alerts ADD COLUMN location TEXT;

-- Messages about alerts, until they are settled and some time after. `sequence` is their order: never
-- used twice, whatever is forgotten. `events` is a JSON list of rows of alerts.
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    receiver TEXT NOT NULL,
    events TEXT NOT NULL,
    created INTEGER NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    detail TEXT NOT NULL,
    settled INTEGER
) STRICT;

-- Those that wait are few among those that were delivered.
CREATE INDEX outbox_by_state ON outbox (state, sequence);
CREATE INDEX outbox_settled ON outbox (settled) WHERE settled IS NOT NULL;

CREATE TABLE message_totals (
    receiver TEXT NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (receiver, outcome)
) STRICT, WITHOUT ROWID;

-- Probes that began, as the result that each has if nothing ends it: the columns of results.
CREATE TABLE unended (
    id TEXT NOT NULL PRIMARY KEY,
    probe TEXT NOT NULL,
    flow TEXT NOT NULL,
    engine TEXT NOT NULL,
    tenant TEXT NOT NULL,
    target TEXT NOT NULL,
    location TEXT NOT NULL,
    account TEXT NOT NULL,
    origin TEXT NOT NULL,
    slot INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    started INTEGER NOT NULL,
    duration REAL NOT NULL,
    outcome TEXT NOT NULL,
    timings TEXT NOT NULL,
    sip_status INTEGER,
    failure_code TEXT,
    failure_detail TEXT,
    evidence TEXT
) STRICT, WITHOUT ROWID;

-- What all results add up to, the forgotten ones included; only scheduled probes count. `failure` is ""
-- where the probe passed.
CREATE TABLE probe_outcomes (
    tenant TEXT NOT NULL,
    flow TEXT NOT NULL,
    engine TEXT NOT NULL,
    location TEXT NOT NULL,
    outcome TEXT NOT NULL,
    failure TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (tenant, flow, engine, location, outcome, failure)
) STRICT, WITHOUT ROWID;

-- Histograms of the timings of passes. `bounds` are the upper bounds, in seconds, that the buckets go by,
-- as a JSON list: other bounds are another histogram. The bucket after the last has what is past them all.
CREATE TABLE probe_timings (
    tenant TEXT NOT NULL,
    flow TEXT NOT NULL,
    engine TEXT NOT NULL,
    location TEXT NOT NULL,
    timing TEXT NOT NULL,
    bounds TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    count INTEGER NOT NULL,
    sum REAL NOT NULL,
    PRIMARY KEY (tenant, flow, engine, location, timing, bounds, bucket)
) STRICT, WITHOUT ROWID;

-- Counters go on from the results that are there instead of from nothing. Row by row: sorting millions of
-- them into groups takes longer.
INSERT INTO probe_outcomes (tenant, flow, engine, location, outcome, failure, count)
SELECT tenant, flow, engine, location, outcome, coalesce(failure_code, ''), 1
FROM results
WHERE origin = 'schedule'
ON CONFLICT (tenant, flow, engine, location, outcome, failure) DO UPDATE SET count = count + 1;

-- The bounds are those of the version that brought this script; should the model's be others by now,
-- these timings begin anew.
INSERT INTO probe_timings (tenant, flow, engine, location, timing, bounds, bucket, count, sum)
SELECT
    tenant, flow, engine, location, measured.key,
    '[0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]',
    CASE
        WHEN measured.value <= 0.005 THEN 0 WHEN measured.value <= 0.01 THEN 1
        WHEN measured.value <= 0.02 THEN 2 WHEN measured.value <= 0.05 THEN 3
        WHEN measured.value <= 0.1 THEN 4 WHEN measured.value <= 0.2 THEN 5
        WHEN measured.value <= 0.5 THEN 6 WHEN measured.value <= 1.0 THEN 7
        WHEN measured.value <= 2.0 THEN 8 WHEN measured.value <= 5.0 THEN 9
        WHEN measured.value <= 10.0 THEN 10
        ELSE 11
    END,
    1, measured.value
FROM results, json_each(iif(json_valid(results.timings), results.timings, '{}')) AS measured
WHERE outcome = 'pass' AND origin = 'schedule'
  AND measured.key IN ('rrd', 'srd', 'sdd', 'pdd') AND measured.type IN ('real', 'integer')
ON CONFLICT (tenant, flow, engine, location, timing, bounds, bucket) DO UPDATE SET
    count = count + 1, sum = sum + excluded.sum;

INSERT INTO probe_timings (tenant, flow, engine, location, timing, bounds, bucket, count, sum)
SELECT
    tenant, flow, engine, location, measured.key,
    '[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0]',
    CASE
        WHEN measured.value <= 0.1 THEN 0 WHEN measured.value <= 0.5 THEN 1
        WHEN measured.value <= 1.0 THEN 2 WHEN measured.value <= 2.0 THEN 3
        WHEN measured.value <= 5.0 THEN 4 WHEN measured.value <= 10.0 THEN 5
        WHEN measured.value <= 30.0 THEN 6 WHEN measured.value <= 60.0 THEN 7
        WHEN measured.value <= 300.0 THEN 8 WHEN measured.value <= 900.0 THEN 9
        WHEN measured.value <= 1800.0 THEN 10 WHEN measured.value <= 3600.0 THEN 11
        WHEN measured.value <= 7200.0 THEN 12 WHEN measured.value <= 14400.0 THEN 13
        ELSE 14
    END,
    1, measured.value
FROM results, json_each(iif(json_valid(results.timings), results.timings, '{}')) AS measured
WHERE outcome = 'pass' AND origin = 'schedule'
  AND measured.key = 'sdt' AND measured.type IN ('real', 'integer')
ON CONFLICT (tenant, flow, engine, location, timing, bounds, bucket) DO UPDATE SET
    count = count + 1, sum = sum + excluded.sum;
