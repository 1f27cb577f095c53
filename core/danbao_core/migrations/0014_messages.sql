-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file adding-not-nullable-field, ban-drop-column, require-concurrent-index-creation
-- squawk-ignore-file require-concurrent-index-deletion

-- migrate:up

-- The language in which somebody is written to; empty where none was stated.
ALTER TABLE account ADD COLUMN language text COLLATE "C" NOT NULL DEFAULT '';

-- What becomes of a message to a person. A worker that takes it moves `next_attempt_at` ahead, which is its lease.
ALTER TABLE message
    ADD COLUMN account_id uuid,
    ADD COLUMN language text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 4),
    ADD COLUMN attempts bigint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    ADD COLUMN next_attempt_at timestamptz,
    ADD COLUMN failure text COLLATE "C" NOT NULL DEFAULT '';

CREATE INDEX message_pending ON message (next_attempt_at NULLS FIRST, id) WHERE state = 1;

-- migrate:down

DROP INDEX message_pending;
ALTER TABLE message
    DROP COLUMN account_id, DROP COLUMN language, DROP COLUMN expires_at, DROP COLUMN state, DROP COLUMN attempts,
    DROP COLUMN next_attempt_at, DROP COLUMN failure;
ALTER TABLE account DROP COLUMN language;
