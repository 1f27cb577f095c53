-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file adding-not-nullable-field, ban-drop-column, ban-drop-constraint, ban-drop-function
-- squawk-ignore-file constraint-missing-not-valid
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion

-- migrate:up

-- The language in which somebody is written to; empty where none was stated.
ALTER TABLE account ADD COLUMN language text COLLATE "C" NOT NULL DEFAULT '';

-- The e-mail address of a person, confirmed by a code that was sent to it.
ALTER TABLE person ADD COLUMN email bytea;
ALTER TABLE challenge
    DROP CONSTRAINT challenge_purpose_check,
    DROP CONSTRAINT challenge_factor_check,
    ADD CONSTRAINT challenge_purpose_check CHECK (purpose BETWEEN 1 AND 9),
    ADD CONSTRAINT challenge_factor_check CHECK (factor IN (1, 2, 4));
ALTER TABLE approval
    DROP CONSTRAINT approval_purpose_check,
    DROP CONSTRAINT approval_factor_check,
    ADD CONSTRAINT approval_purpose_check CHECK (purpose BETWEEN 1 AND 9),
    ADD CONSTRAINT approval_factor_check CHECK (factor BETWEEN 1 AND 4);

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
CREATE INDEX message_of_account ON message (account_id) WHERE account_id IS NOT NULL;

-- By which ways people are told of what; a category without a row is told as it is by default.
CREATE TABLE preference (
    account_id uuid NOT NULL,
    category smallint NOT NULL CHECK (category BETWEEN 1 AND 4),
    sms boolean NOT NULL,
    email boolean NOT NULL,
    inbox boolean NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (account_id, category),
    CHECK (category <> 4 OR (sms AND inbox))
);

-- What people were told in the app: one row for an event and an account.
CREATE TABLE inbox_message (
    account_id uuid NOT NULL,
    id uuid NOT NULL,
    position bigint NOT NULL,
    category smallint NOT NULL CHECK (category BETWEEN 1 AND 4),
    template text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    parameters text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    read_at timestamptz,
    version bigint NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE INDEX inbox_message_of_account ON inbox_message (account_id, position);
CREATE INDEX inbox_message_unread ON inbox_message (account_id, position) WHERE read_at IS NULL;

-- Up to which event people have been told.
CREATE TABLE news_cursor (
    id bigint PRIMARY KEY CHECK (id = 1),
    position bigint NOT NULL CHECK (position >= 0),
    version bigint NOT NULL
);
INSERT INTO news_cursor (id, position, version) VALUES (1, 0, 1);

-- What somebody was told is forgotten with who they were; see forget_person.
CREATE FUNCTION forget_news() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE message
        SET address = '', parameters = '', state = CASE state WHEN 1 THEN 4 ELSE state END, next_attempt_at = NULL,
            version = version + 1
        WHERE account_id = NEW.account_id AND address <> '';
    DELETE FROM inbox_message WHERE account_id = NEW.account_id;
    DELETE FROM preference WHERE account_id = NEW.account_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER forget_news AFTER UPDATE ON person
    FOR EACH ROW WHEN (OLD.phone IS NOT NULL AND NEW.phone IS NULL) EXECUTE FUNCTION forget_news();

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION forget_news() SET search_path = %I, pg_temp', current_schema());
END
$$;

-- migrate:down

DROP TRIGGER forget_news ON person;
DROP FUNCTION forget_news();
DROP TABLE news_cursor;
DROP TABLE inbox_message;
DROP TABLE preference;
DROP INDEX message_of_account;
DROP INDEX message_pending;
ALTER TABLE message
    DROP COLUMN account_id, DROP COLUMN language, DROP COLUMN expires_at, DROP COLUMN state, DROP COLUMN attempts,
    DROP COLUMN next_attempt_at, DROP COLUMN failure;
ALTER TABLE approval
    DROP CONSTRAINT approval_purpose_check,
    DROP CONSTRAINT approval_factor_check,
    ADD CONSTRAINT approval_purpose_check CHECK (purpose BETWEEN 1 AND 8),
    ADD CONSTRAINT approval_factor_check CHECK (factor BETWEEN 1 AND 3);
ALTER TABLE challenge
    DROP CONSTRAINT challenge_purpose_check,
    DROP CONSTRAINT challenge_factor_check,
    ADD CONSTRAINT challenge_purpose_check CHECK (purpose BETWEEN 1 AND 8),
    ADD CONSTRAINT challenge_factor_check CHECK (factor BETWEEN 1 AND 2);
ALTER TABLE person DROP COLUMN email;
ALTER TABLE account DROP COLUMN language;
