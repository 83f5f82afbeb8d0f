-- What the scheduled results of an hour or a day (UTC) add up to, the forgotten ones included; `data` is in
-- the format of dialtone/store/packed.py. Hours and days are counted from 1970-01-01 UTC.
CREATE TABLE rollup_series (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    flow TEXT NOT NULL,
    probe TEXT NOT NULL,
    engine TEXT NOT NULL,
    location TEXT NOT NULL,
    UNIQUE (tenant, flow, probe, engine, location)
) STRICT;

-- By time: what is written now lies together, and so does what is forgotten.
CREATE TABLE hourly_rollups (
    start INTEGER NOT NULL,
    series INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (start, series)
) STRICT, WITHOUT ROWID;

-- Not WITHOUT ROWID: a row of more than a quarter of a page, as days with media are, would take a page alone.
CREATE TABLE daily_rollups (
    start INTEGER NOT NULL,
    series INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (start, series)
) STRICT;

-- How far the results that were there before this script are in the rollups: those up to `last_row` that come
-- after (tenant, started, id) are not. Without a row all are.
CREATE TABLE rollup_backlog (
    last_row INTEGER NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    started INTEGER NOT NULL,
    id TEXT NOT NULL
) STRICT;

INSERT INTO rollup_backlog (last_row, tenant, started, id)
SELECT newest, '', 0, '' FROM (SELECT max(rowid) AS newest FROM results) WHERE newest IS NOT NULL;

-- How many results there are: counting them would read them all.
CREATE TABLE result_count (count INTEGER NOT NULL) STRICT;

INSERT INTO result_count (count) SELECT count(*) FROM results;

CREATE TRIGGER results_counted AFTER INSERT ON results BEGIN
    UPDATE result_count SET count = count + 1;
END;

CREATE TRIGGER results_uncounted AFTER DELETE ON results BEGIN
    UPDATE result_count SET count = count - 1;
END;

-- Where there are too many the oldest passes are forgotten first, so that a series whose newest result goes
-- may have older ones left.
CREATE INDEX results_passed ON results (started) WHERE outcome = 'pass';

DROP TRIGGER results_gone;

CREATE TRIGGER results_gone AFTER DELETE ON results
WHEN old.id = (
    SELECT id FROM latest_results
    WHERE tenant = old.tenant AND probe = old.probe AND location = old.location
)
BEGIN
    DELETE FROM latest_results
    WHERE tenant = old.tenant AND probe = old.probe AND location = old.location;
    INSERT INTO latest_results (tenant, probe, location, started, id)
    SELECT tenant, probe, location, started, id FROM results
    WHERE tenant = old.tenant AND probe = old.probe AND location = old.location
    ORDER BY started DESC, id DESC
    LIMIT 1;
END;
