-- One row for each request that had a route; `doc` is the record as JSON, of the version it names. A table by row number,
-- for in one by id a row of some KB has pages of its own. By time it is found through `requests`: each index is a write more.
CREATE TABLE IF NOT EXISTS records (
    id    BLOB NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    route TEXT NOT NULL,
    doc   TEXT NOT NULL
);

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

-- The ledger: one row for each request. Times in microseconds, money in billionths of a dollar; a cost that is not known is
-- null. `fault` is the class of the failure, null for a whole answer; `tags` is `|name=value|…|`.
CREATE TABLE IF NOT EXISTS requests (
    id             BLOB PRIMARY KEY,
    at_ms          INTEGER NOT NULL,
    route          TEXT NOT NULL,
    why            TEXT NOT NULL,
    operation      TEXT NOT NULL,
    dialect        TEXT NOT NULL,
    model          TEXT NOT NULL,
    stream         INTEGER NOT NULL,
    key_id         TEXT,
    key_path       TEXT,
    tags           TEXT NOT NULL,
    target         TEXT,
    fault          TEXT,
    attempts       INTEGER NOT NULL,
    failovers      INTEGER NOT NULL,
    first_token_us INTEGER,
    per_token_us   INTEGER,
    total_us       INTEGER,
    input          INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_write    INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    output         INTEGER NOT NULL,
    reasoning      INTEGER NOT NULL,
    audio_input    INTEGER NOT NULL,
    audio_output   INTEGER NOT NULL,
    image_input    INTEGER NOT NULL DEFAULT 0,
    image_output   INTEGER NOT NULL DEFAULT 0,
    images         INTEGER NOT NULL DEFAULT 0,
    audio_ms       INTEGER NOT NULL DEFAULT 0,
    characters     INTEGER NOT NULL DEFAULT 0,
    searches       INTEGER NOT NULL DEFAULT 0,
    cost_nano      INTEGER,
    unpriced       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (at_ms);

-- And one for each attempt. What the provider did not tell is null; `price` is the price that was used, in words. (An older
-- file has this table by row number and an index beside it, and stays so: every statement fits both.)
CREATE TABLE IF NOT EXISTS attempts (
    request        BLOB NOT NULL,
    number         INTEGER NOT NULL,
    at_ms          INTEGER NOT NULL,
    target         TEXT NOT NULL,
    credential     TEXT NOT NULL,
    hedge          INTEGER NOT NULL,
    served         INTEGER NOT NULL,
    fault          TEXT,
    first_token_us INTEGER,
    total_us       INTEGER,
    input          INTEGER,
    cache_read     INTEGER,
    cache_write    INTEGER,
    cache_write_1h INTEGER,
    output         INTEGER,
    reasoning      INTEGER,
    audio_input    INTEGER,
    audio_output   INTEGER,
    image_input    INTEGER,
    image_output   INTEGER,
    images         INTEGER,
    audio_ms       INTEGER,
    characters     INTEGER,
    searches       INTEGER,
    cost_nano      INTEGER,
    price          TEXT,
    PRIMARY KEY (request, number)
) WITHOUT ROWID;

-- Sums over the ledger. `grain` is 0 for minutes, 1 for hours, 2 for days. `slice` says what they tell apart: `*` nothing,
-- `*route`, `*target` or `*key` one thing, empty all three; or it is a tag whose requests alone are summed. Requests count at
-- the target that served or was tried last, use and money where it was made. The last three are histograms.
CREATE TABLE IF NOT EXISTS rollups (
    grain           INTEGER NOT NULL,
    slice           TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    route           TEXT NOT NULL,
    target          TEXT NOT NULL,
    key_id          TEXT NOT NULL,
    key_path        TEXT NOT NULL,
    requests        INTEGER NOT NULL,
    served          INTEGER NOT NULL,
    limited         INTEGER NOT NULL,
    cancelled       INTEGER NOT NULL,
    failovers       INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    attempts_failed INTEGER NOT NULL,
    input           INTEGER NOT NULL,
    cache_read      INTEGER NOT NULL,
    cache_write     INTEGER NOT NULL,
    cache_write_1h  INTEGER NOT NULL,
    output          INTEGER NOT NULL,
    reasoning       INTEGER NOT NULL,
    audio_input     INTEGER NOT NULL,
    audio_output    INTEGER NOT NULL,
    image_input     INTEGER NOT NULL,
    image_output    INTEGER NOT NULL,
    images          INTEGER NOT NULL,
    audio_ms        INTEGER NOT NULL,
    characters      INTEGER NOT NULL,
    searches        INTEGER NOT NULL,
    cost_nano       INTEGER NOT NULL,
    unpriced        INTEGER NOT NULL,
    saved_nano      INTEGER NOT NULL,
    rejected        INTEGER NOT NULL DEFAULT 0,
    first_token     BLOB NOT NULL,
    per_token       BLOB NOT NULL,
    total           BLOB NOT NULL,
    PRIMARY KEY (grain, slice, at_ms, route, target, key_id)
) WITHOUT ROWID;

-- Tokens of the admin plane. Their text is nowhere; `scopes` is what they may ask, with spaces between.
CREATE TABLE IF NOT EXISTS tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    hint       TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    expires_ms INTEGER,
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS tokens_in_force ON tokens (name) WHERE revoked_ms IS NULL;

-- Who changed what, and how that was answered.
CREATE TABLE IF NOT EXISTS audit (
    at_ms   INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    status  INTEGER NOT NULL
);
