-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file adding-not-nullable-field, ban-drop-column

-- migrate:up

-- Whether a person has registered the account as theirs: then limits and proofs apply, and `person` says the rest.
ALTER TABLE account ADD COLUMN personal boolean NOT NULL DEFAULT false;

CREATE TABLE person (
    account_id uuid PRIMARY KEY,
    phone bytea,
    login_password text COLLATE "C" NOT NULL,
    payment_password bytea,
    payment_salt bytea,
    payment_key_id text COLLATE "C" NOT NULL,
    session_epoch bigint NOT NULL,
    changed_at timestamptz,
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 3),
    channels text COLLATE "C" NOT NULL,
    document smallint NOT NULL,
    real_name bytea,
    number bytea,
    number_hash bytea,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    CHECK ((payment_password IS NULL) = (payment_salt IS NULL)),
    CHECK ((number IS NULL) = (real_name IS NULL)),
    CHECK ((number IS NULL) = (number_hash IS NULL)),
    CHECK ((number IS NULL) = (document = 0))
);

CREATE TABLE phone_ref (
    phone_hash bytea PRIMARY KEY CHECK (length(phone_hash) = 32),
    account_id uuid,
    version bigint NOT NULL
);

CREATE TABLE session (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    generation bigint NOT NULL,
    refresh_request_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    refreshed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    version bigint NOT NULL
);

CREATE INDEX session_of_account ON session (account_id, id);

CREATE TABLE attempts (
    kind smallint NOT NULL,
    subject bytea NOT NULL,
    day bigint NOT NULL,
    count bigint NOT NULL CHECK (count >= 0),
    locked_until timestamptz,
    last_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (kind, subject)
);

CREATE TABLE attempt (
    subject bytea NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    credential bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (subject, request_id)
);

CREATE TABLE message (
    id uuid PRIMARY KEY,
    channel smallint NOT NULL,
    address_hash bytea NOT NULL,
    address bytea NOT NULL,
    template text COLLATE "C" NOT NULL,
    parameters bytea NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX message_of_address ON message (address_hash, id);

CREATE TABLE challenge (
    id uuid PRIMARY KEY,
    purpose smallint NOT NULL CHECK (purpose BETWEEN 1 AND 8),
    factor smallint NOT NULL CHECK (factor BETWEEN 1 AND 2),
    account_id uuid,
    session_id uuid,
    device_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    binding bytea NOT NULL CHECK (length(binding) = 32),
    code_hash bytea,
    code_key_id text COLLATE "C" NOT NULL,
    tries bigint NOT NULL,
    answered_at timestamptz,
    details bytea,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE approval (
    id uuid PRIMARY KEY,
    purpose smallint NOT NULL CHECK (purpose BETWEEN 1 AND 8),
    factor smallint NOT NULL CHECK (factor BETWEEN 1 AND 3),
    account_id uuid,
    session_id uuid,
    device_id text COLLATE "C" NOT NULL,
    binding bytea NOT NULL CHECK (length(binding) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    version bigint NOT NULL
);

-- migrate:down

DROP TABLE approval;
DROP TABLE challenge;
DROP TABLE message;
DROP TABLE attempt;
DROP TABLE attempts;
DROP TABLE session;
DROP TABLE phone_ref;
DROP TABLE person;
ALTER TABLE account DROP COLUMN personal;
