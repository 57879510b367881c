-- One row for each request that had a route; `doc` is the record as JSON, of the version it names.
CREATE TABLE IF NOT EXISTS records (
    id    BLOB PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    route TEXT NOT NULL,
    doc   TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_by_time ON records (at_ms);

-- Virtual keys. A key's text is nowhere; `grants` is what it may do, as JSON.
CREATE TABLE IF NOT EXISTS keys (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    hint       TEXT NOT NULL,
    expires_ms INTEGER,
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER,
    grants     TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS keys_in_force ON keys (name) WHERE revoked_ms IS NULL;

-- Groups of keys, by path: `acme/search`.
CREATE TABLE IF NOT EXISTS groups (
    path   TEXT PRIMARY KEY,
    grants TEXT NOT NULL
) WITHOUT ROWID;

-- One row: another number after each change to keys or groups, whoever made it.
CREATE TABLE IF NOT EXISTS keys_revision (revision INTEGER NOT NULL);
INSERT INTO keys_revision SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM keys_revision);
CREATE TRIGGER IF NOT EXISTS keys_added AFTER INSERT ON keys
    BEGIN UPDATE keys_revision SET revision = revision + 1; END;
CREATE TRIGGER IF NOT EXISTS keys_changed AFTER UPDATE ON keys
    BEGIN UPDATE keys_revision SET revision = revision + 1; END;
CREATE TRIGGER IF NOT EXISTS groups_added AFTER INSERT ON groups
    BEGIN UPDATE keys_revision SET revision = revision + 1; END;
CREATE TRIGGER IF NOT EXISTS groups_changed AFTER UPDATE ON groups
    BEGIN UPDATE keys_revision SET revision = revision + 1; END;
CREATE TRIGGER IF NOT EXISTS groups_removed AFTER DELETE ON groups
    BEGIN UPDATE keys_revision SET revision = revision + 1; END;
