-- One row for each request that had a route; `doc` is the record as JSON, of the version it names.
CREATE TABLE IF NOT EXISTS records (
    id    BLOB PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    route TEXT NOT NULL,
    doc   TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_by_time ON records (at_ms);
