-- What an alert about a database names: its topology, and of the tenants whose data that holds the first ones,
-- as a JSON list, with how many there are. Constant defaults: rows that are there are not rewritten.
ALTER TABLE alerts ADD COLUMN topology TEXT;
ALTER TABLE alerts ADD COLUMN tenants TEXT NOT NULL DEFAULT '[]';
ALTER TABLE alerts ADD COLUMN tenants_total INTEGER NOT NULL DEFAULT 0;
