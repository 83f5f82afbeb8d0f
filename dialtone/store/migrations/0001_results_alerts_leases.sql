-- Instants are microseconds since 1970 UTC.

CREATE TABLE results (
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
) STRICT;

CREATE INDEX results_by_time ON results (started, id);
CREATE INDEX results_by_tenant ON results (tenant, started, id);

-- The newest result of each series, kept by the triggers below: looking for it among months of
-- results would read them all.
CREATE TABLE latest_results (
    tenant TEXT NOT NULL,
    probe TEXT NOT NULL,
    location TEXT NOT NULL,
    started INTEGER NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (tenant, probe, location)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER results_newer AFTER INSERT ON results BEGIN
    INSERT INTO latest_results (tenant, probe, location, started, id)
    VALUES (new.tenant, new.probe, new.location, new.started, new.id)
    ON CONFLICT (tenant, probe, location) DO UPDATE SET started = excluded.started, id = excluded.id
    WHERE (excluded.started, excluded.id) > (latest_results.started, latest_results.id);
END;

-- Results are forgotten oldest first, so that a series whose newest one goes has none left.
CREATE TRIGGER results_gone AFTER DELETE ON results BEGIN
    DELETE FROM latest_results
    WHERE tenant = old.tenant AND probe = old.probe AND location = old.location AND id = old.id;
END;

CREATE TABLE alerts (
    fingerprint TEXT NOT NULL PRIMARY KEY,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    state TEXT NOT NULL,
    since INTEGER NOT NULL,
    started INTEGER,
    tenant TEXT,
    node TEXT,
    flow TEXT,
    channel TEXT,
    value REAL,
    cause TEXT NOT NULL
) STRICT;

CREATE TABLE leases (
    account TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
