-- What a result counted of its requests, by the names of the model's COUNTS, as a JSON object; and when the
-- server's certificate ends, where TLS showed one. Constant defaults: rows that are there are not rewritten.
ALTER TABLE results ADD COLUMN counts TEXT NOT NULL DEFAULT '{}';
ALTER TABLE results ADD COLUMN certificate_expires INTEGER;
ALTER TABLE unended ADD COLUMN counts TEXT NOT NULL DEFAULT '{}';
ALTER TABLE unended ADD COLUMN certificate_expires INTEGER;

-- What the counts of all results add up to, the forgotten ones included; only scheduled probes that were
-- conclusive count.
CREATE TABLE probe_counts (
    tenant TEXT NOT NULL,
    flow TEXT NOT NULL,
    engine TEXT NOT NULL,
    location TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (tenant, flow, engine, location, name)
) STRICT, WITHOUT ROWID;

-- The same by the hour in which a probe started (its first instant), for ratios of some hours: to add up the
-- results themselves takes seconds for a day of a large platform. Forgotten with the results.
CREATE TABLE hourly_counts (
    hour INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, tenant, name)
) STRICT, WITHOUT ROWID;
