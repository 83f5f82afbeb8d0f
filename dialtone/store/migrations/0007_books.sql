-- The books of SLA. Instants are microseconds since 1970 UTC; slots and days count from 1970, UTC. Nothing of
-- it is ever pruned.

-- The interval of a result's schedule, in seconds: with `slot` it says which slice the result is about. Constant
-- defaults: rows that are there are not rewritten, and have no say in slices.
ALTER TABLE results ADD COLUMN interval REAL NOT NULL DEFAULT 0;
ALTER TABLE unended ADD COLUMN interval REAL NOT NULL DEFAULT 0;

-- What may decide a slot besides a first attempt that passed: few among all results.
CREATE INDEX results_of_slot ON results (tenant, probe, location, slot)
WHERE interval > 0 AND origin = 'schedule' AND (attempt = 2 OR outcome = 'fail');

-- Whose slices: while they were placed, from `since` until `until` (NULL: still). `sli`, `timing`, `threshold`
-- and `other` are the model's Measure. The same one may have several rows, one after another.
CREATE TABLE slice_series (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    flow TEXT NOT NULL,
    probe TEXT NOT NULL,
    location TEXT NOT NULL,
    interval INTEGER NOT NULL,
    sli INTEGER NOT NULL,
    timing TEXT NOT NULL,
    threshold REAL,
    other REAL,
    since INTEGER NOT NULL,
    until INTEGER
) STRICT;

CREATE INDEX slice_series_of ON slice_series (tenant, flow, probe, location, interval);
CREATE INDEX slice_series_open ON slice_series (location) WHERE until IS NULL;

-- Two planes of bits a day: good, then bad; bit i of each is the slot that begins i intervals after midnight.
CREATE TABLE slices (
    series INTEGER NOT NULL,
    day INTEGER NOT NULL,
    bits BLOB NOT NULL,
    PRIMARY KEY (series, day)
) STRICT, WITHOUT ROWID;

-- Why slices became bad: from this slot on, until another row follows or a slot that is not bad.
CREATE TABLE slice_causes (
    series INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    cause TEXT NOT NULL,
    known INTEGER NOT NULL,
    evidence TEXT,
    PRIMARY KEY (series, slot)
) STRICT, WITHOUT ROWID;

-- `flows` is a JSON list, empty for all. Rows are withdrawn, never removed.
CREATE TABLE maintenance (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    begins INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    declared INTEGER NOT NULL,
    flows TEXT NOT NULL,
    recurs TEXT NOT NULL,
    zone TEXT NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    withdrawn INTEGER,
    withdrawn_by TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE corrections (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    begins INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    state INTEGER NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    declared INTEGER NOT NULL,
    flows TEXT NOT NULL,
    withdrawn INTEGER,
    withdrawn_by TEXT NOT NULL DEFAULT ''
) STRICT;

-- A chain: `previous` is the hash of the row before, "" in the first. `spans` is a JSON list of pairs.
CREATE TABLE closings (
    sequence INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    period TEXT NOT NULL,
    closed INTEGER NOT NULL,
    author TEXT NOT NULL,
    inputs TEXT NOT NULL,
    figures TEXT NOT NULL,
    previous TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL UNIQUE,
    spans TEXT NOT NULL,
    UNIQUE (tenant, period)
) STRICT;

-- Within these a tenant's slices, causes and tenures don't change any more.
CREATE TABLE closed_spans (
    tenant TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (tenant, since, until)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    action TEXT NOT NULL,
    tenant TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX audit_of_tenant ON audit (tenant, id);

-- What is put down stays as it is, whoever writes to the file.
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'audit rows never change'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'audit rows are kept'); END;
CREATE TRIGGER closings_stay BEFORE UPDATE ON closings BEGIN SELECT raise(ABORT, 'closings never change'); END;
CREATE TRIGGER closings_are_kept BEFORE DELETE ON closings BEGIN SELECT raise(ABORT, 'closings are kept'); END;
CREATE TRIGGER maintenance_stays BEFORE UPDATE ON maintenance
WHEN old.withdrawn IS NOT NULL
    OR (new.id, new.tenant, new.begins, new.seconds, new.author, new.reason, new.declared, new.flows, new.recurs,
        new.zone, new.source, new.name)
    IS NOT (old.id, old.tenant, old.begins, old.seconds, old.author, old.reason, old.declared, old.flows,
        old.recurs, old.zone, old.source, old.name)
BEGIN
    SELECT raise(ABORT, 'maintenance never changes, it is withdrawn once');
END;
CREATE TRIGGER corrections_stay BEFORE UPDATE ON corrections
WHEN old.withdrawn IS NOT NULL
    OR (new.id, new.tenant, new.begins, new.ends, new.state, new.author, new.reason, new.declared, new.flows)
    IS NOT (old.id, old.tenant, old.begins, old.ends, old.state, old.author, old.reason, old.declared, old.flows)
BEGIN
    SELECT raise(ABORT, 'corrections never change, they are withdrawn once');
END;
CREATE TRIGGER maintenance_is_kept BEFORE DELETE ON maintenance BEGIN
    SELECT raise(ABORT, 'maintenance is withdrawn, never removed');
END;
CREATE TRIGGER corrections_are_kept BEFORE DELETE ON corrections BEGIN
    SELECT raise(ABORT, 'corrections are withdrawn, never removed');
END;
