-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file adding-not-nullable-field, ban-drop-column

-- migrate:up

ALTER TABLE person ADD COLUMN totp_id uuid;

ALTER TABLE challenge
    ADD COLUMN guesses_by bytea NOT NULL DEFAULT '',
    ADD COLUMN sent_by bytea NOT NULL DEFAULT '';

CREATE TABLE newest_code (
    sent_by bytea PRIMARY KEY,
    challenge_id uuid NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE factor (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    kind smallint NOT NULL CHECK (kind = 2),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
    secret bytea,
    label text COLLATE "C" NOT NULL,
    last_step bigint NOT NULL,
    recovery_generation bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    CHECK ((secret IS NULL) = (state = 3))
);

CREATE INDEX factor_of_account ON factor (account_id, id);

CREATE TABLE recovery_code (
    factor_id uuid NOT NULL,
    code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
    generation bigint NOT NULL,
    used_at timestamptz,
    created_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (factor_id, code_hash)
);

CREATE TABLE spending (
    account_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL,
    day bigint NOT NULL,
    day_minor bigint NOT NULL CHECK (day_minor >= 0),
    year bigint NOT NULL,
    year_minor bigint NOT NULL CHECK (year_minor >= 0),
    life_minor bigint NOT NULL CHECK (life_minor >= 0),
    version bigint NOT NULL,
    PRIMARY KEY (account_id, currency)
);

-- migrate:down

DROP TABLE spending;
DROP TABLE recovery_code;
DROP TABLE factor;
DROP TABLE newest_code;
ALTER TABLE challenge DROP COLUMN guesses_by, DROP COLUMN sent_by;
ALTER TABLE person DROP COLUMN totp_id;
