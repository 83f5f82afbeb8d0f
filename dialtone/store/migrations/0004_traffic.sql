-- How far a server's counters of the tenants' sessions are in the books: its uptime in seconds, where it says
-- one, at that instant.
CREATE TABLE traffic_nodes (
    node TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    uptime REAL
) STRICT, WITHOUT ROWID;

-- What each tenant's counters stood at then, by the names of the model's COUNTS, as a JSON object.
CREATE TABLE traffic_marks (
    node TEXT NOT NULL,
    tenant TEXT NOT NULL,
    counts TEXT NOT NULL,
    PRIMARY KEY (node, tenant)
) STRICT, WITHOUT ROWID;

-- What the tenants' own traffic counted, by the hour in which it was read (its first instant); of all servers
-- in sum. Forgotten as hourly_counts are.
CREATE TABLE hourly_traffic (
    hour INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, tenant, name)
) STRICT, WITHOUT ROWID;
