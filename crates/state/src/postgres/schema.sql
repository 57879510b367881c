-- The tables of the SQLite file, for the same questions; what each holds is said there (sqlite/schema.sql). Run in one
-- transaction, by one process at a time.
BEGIN;
SELECT pg_advisory_xact_lock(7236837310);
CREATE SCHEMA IF NOT EXISTS ringmain;
SET LOCAL search_path = ringmain;

CREATE TABLE IF NOT EXISTS version (version integer NOT NULL);
INSERT INTO version SELECT 2 WHERE NOT EXISTS (SELECT 1 FROM version);
UPDATE version SET version = 2 WHERE version < 2;

CREATE TABLE IF NOT EXISTS records (
    id    bytea PRIMARY KEY,
    at_ms bigint NOT NULL,
    route text NOT NULL,
    doc   text NOT NULL
);
CREATE INDEX IF NOT EXISTS records_by_time ON records (at_ms, id);

CREATE TABLE IF NOT EXISTS keys (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    hash       bytea NOT NULL UNIQUE,
    hint       text NOT NULL,
    expires_ms bigint,
    created_ms bigint NOT NULL,
    revoked_ms bigint,
    grants     text NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS keys_in_force ON keys (name) WHERE revoked_ms IS NULL;

CREATE TABLE IF NOT EXISTS groups (
    path   text PRIMARY KEY,
    grants text NOT NULL
);

CREATE TABLE IF NOT EXISTS keys_revision (revision bigint NOT NULL);
INSERT INTO keys_revision SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM keys_revision);
CREATE OR REPLACE FUNCTION keys_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ringmain.keys_revision SET revision = revision + 1;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS changed ON keys;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON keys FOR EACH STATEMENT EXECUTE FUNCTION keys_changed();
DROP TRIGGER IF EXISTS changed ON groups;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON groups FOR EACH STATEMENT EXECUTE FUNCTION keys_changed();

CREATE TABLE IF NOT EXISTS tokens (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    hash       bytea NOT NULL UNIQUE,
    hint       text NOT NULL,
    scopes     text NOT NULL,
    expires_ms bigint,
    created_ms bigint NOT NULL,
    revoked_ms bigint
);
CREATE UNIQUE INDEX IF NOT EXISTS tokens_in_force ON tokens (name) WHERE revoked_ms IS NULL;

CREATE TABLE IF NOT EXISTS requests (
    id             bytea PRIMARY KEY,
    at_ms          bigint NOT NULL,
    route          text NOT NULL,
    why            text NOT NULL,
    operation      text NOT NULL,
    dialect        text NOT NULL,
    model          text NOT NULL,
    stream         boolean NOT NULL,
    key_id         text,
    key_path       text,
    tags           text NOT NULL,
    target         text,
    fault          text,
    attempts       bigint NOT NULL,
    failovers      bigint NOT NULL,
    first_token_us bigint,
    per_token_us   bigint,
    total_us       bigint,
    input          bigint NOT NULL,
    cache_read     bigint NOT NULL,
    cache_write    bigint NOT NULL,
    cache_write_1h bigint NOT NULL,
    output         bigint NOT NULL,
    reasoning      bigint NOT NULL,
    audio_input    bigint NOT NULL,
    audio_output   bigint NOT NULL,
    image_input    bigint NOT NULL,
    image_output   bigint NOT NULL,
    images         bigint NOT NULL,
    audio_ms       bigint NOT NULL,
    characters     bigint NOT NULL,
    searches       bigint NOT NULL,
    cost_nano      bigint,
    unpriced       bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (at_ms, id);

CREATE TABLE IF NOT EXISTS attempts (
    request        bytea NOT NULL,
    number         bigint NOT NULL,
    at_ms          bigint NOT NULL,
    target         text NOT NULL,
    credential     text NOT NULL,
    hedge          boolean NOT NULL,
    served         boolean NOT NULL,
    fault          text,
    first_token_us bigint,
    total_us       bigint,
    input          bigint,
    cache_read     bigint,
    cache_write    bigint,
    cache_write_1h bigint,
    output         bigint,
    reasoning      bigint,
    audio_input    bigint,
    audio_output   bigint,
    image_input    bigint,
    image_output   bigint,
    images         bigint,
    audio_ms       bigint,
    characters     bigint,
    searches       bigint,
    cost_nano      bigint,
    price          text,
    PRIMARY KEY (request, number)
);
CREATE INDEX IF NOT EXISTS attempts_by_time ON attempts (at_ms);

-- Histograms are arrays of counts, which add up element by element.
CREATE TABLE IF NOT EXISTS sums (
    grain           bigint NOT NULL,
    at_ms           bigint NOT NULL,
    slice           text NOT NULL,
    route           text NOT NULL,
    target          text NOT NULL,
    key_id          text NOT NULL,
    key_path        text NOT NULL,
    requests        bigint NOT NULL,
    served          bigint NOT NULL,
    limited         bigint NOT NULL,
    cancelled       bigint NOT NULL,
    failovers       bigint NOT NULL,
    attempts        bigint NOT NULL,
    attempts_failed bigint NOT NULL,
    input           bigint NOT NULL,
    cache_read      bigint NOT NULL,
    cache_write     bigint NOT NULL,
    cache_write_1h  bigint NOT NULL,
    output          bigint NOT NULL,
    reasoning       bigint NOT NULL,
    audio_input     bigint NOT NULL,
    audio_output    bigint NOT NULL,
    image_input     bigint NOT NULL,
    image_output    bigint NOT NULL,
    images          bigint NOT NULL,
    audio_ms        bigint NOT NULL,
    characters      bigint NOT NULL,
    searches        bigint NOT NULL,
    cost_nano       bigint NOT NULL,
    unpriced        bigint NOT NULL,
    saved_nano      bigint NOT NULL,
    rejected        bigint,
    first_token     bigint[] NOT NULL,
    per_token       bigint[] NOT NULL,
    total           bigint[] NOT NULL,
    PRIMARY KEY (grain, slice, at_ms, route, target, key_id)
);
-- Since version 2. Null where a process of an older version wrote the row: it knows no such column.
ALTER TABLE sums ADD COLUMN IF NOT EXISTS rejected bigint;
CREATE OR REPLACE FUNCTION times_add(one bigint[], other bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY n), '{}')
    FROM unnest(one, other) WITH ORDINALITY AS t (a, b, n)
$$;

CREATE TABLE IF NOT EXISTS audit (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms   bigint NOT NULL,
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    status  bigint NOT NULL
);
COMMIT;
