-- What a result heard in its call: each direction, as a JSON list of objects. Constant defaults: rows that are
-- there are not rewritten.
ALTER TABLE results ADD COLUMN media TEXT NOT NULL DEFAULT '[]';
ALTER TABLE unended ADD COLUMN media TEXT NOT NULL DEFAULT '[]';

-- Histograms of what was heard, as probe_timings are, by listener; of all scheduled probes that were
-- conclusive, the failed ones too.
CREATE TABLE probe_media (
    tenant TEXT NOT NULL,
    flow TEXT NOT NULL,
    engine TEXT NOT NULL,
    location TEXT NOT NULL,
    listener TEXT NOT NULL,
    figure TEXT NOT NULL,
    bounds TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    count INTEGER NOT NULL,
    sum REAL NOT NULL,
    PRIMARY KEY (tenant, flow, engine, location, listener, figure, bounds, bucket)
) STRICT, WITHOUT ROWID;
