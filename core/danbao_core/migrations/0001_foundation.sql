-- migrate:up

-- Conventions, for this and every later migration:
--   * money is bigint in minor units; times are timestamptz; ids are UUIDv7 made by the application, no sequences;
--   * every primary key contains the column by which the table would be distributed over shards;
--   * no foreign keys between hot tables: they cost time on every payment, and `danbao audit` covers them;
--   * text is COLLATE "C", so that the database sorts as the engine does;
--   * enums are smallint; their names are in the code, their numbers in the contract.

-- What this database is, for good. One row.
CREATE TABLE installation (
    id bigint PRIMARY KEY CHECK (id = 1),
    mode text COLLATE "C" NOT NULL CHECK (mode IN ('live', 'sandbox')),
    clock_offset_seconds bigint NOT NULL DEFAULT 0 CHECK (clock_offset_seconds >= 0),
    created_at timestamptz NOT NULL,
    version bigint NOT NULL,
    CHECK (mode = 'sandbox' OR clock_offset_seconds = 0)
);

-- One row per engine; it counts the engine's batches, which tells after a lost COMMIT whether it was taken.
CREATE TABLE engine (
    id uuid PRIMARY KEY,
    batch_no bigint NOT NULL,
    started_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE request (
    caller text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    content bytea NOT NULL,
    answer_schema bigint NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (caller, request_id)
);

CREATE TABLE account (
    id uuid PRIMARY KEY,
    kind smallint NOT NULL CHECK (kind IN (1, 2, 99)),
    state smallint NOT NULL CHECK (state IN (1, 2)),
    display_name text COLLATE "C" NOT NULL,
    currencies text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE service_key (
    id uuid PRIMARY KEY,
    service text COLLATE "C" NOT NULL,
    scopes text COLLATE "C" NOT NULL,
    account_id uuid,
    state smallint NOT NULL CHECK (state IN (1, 2)),
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    old_secret_hash bytea,
    old_secret_expires_at timestamptz,
    created_at timestamptz NOT NULL,
    rotated_at timestamptz NOT NULL,
    revoked_at timestamptz,
    version bigint NOT NULL,
    CHECK ((state = 2) = (revoked_at IS NOT NULL))
);

CREATE TABLE funding (
    id uuid PRIMARY KEY,
    kind smallint NOT NULL CHECK (kind = 1),
    state smallint NOT NULL CHECK (state = 1),
    account_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE order_ref (
    payee_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    payment_id uuid NOT NULL,
    PRIMARY KEY (payee_id, order_no)
);

CREATE TABLE payment (
    id uuid PRIMARY KEY,
    payer_id uuid NOT NULL,
    payee_id uuid NOT NULL,
    mode smallint NOT NULL CHECK (mode IN (1, 2)),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 6),
    currency text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    fee_bps bigint NOT NULL,
    fee_minor bigint NOT NULL,
    held_minor bigint NOT NULL CHECK (held_minor >= 0),
    released_minor bigint NOT NULL CHECK (released_minor >= 0),
    returned_minor bigint NOT NULL CHECK (returned_minor >= 0),
    order_no text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    metadata jsonb NOT NULL,
    shipment_method smallint NOT NULL,
    carrier text COLLATE "C" NOT NULL,
    tracking_no text COLLATE "C" NOT NULL,
    close_reason smallint NOT NULL,
    due_event smallint,
    due_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    paid_at timestamptz,
    shipped_at timestamptz,
    succeeded_at timestamptz,
    closed_at timestamptz,
    version bigint NOT NULL,
    CHECK (payer_id <> payee_id),
    CHECK (fee_minor BETWEEN 0 AND amount_minor),
    CHECK (held_minor + released_minor + returned_minor <= amount_minor),
    CHECK ((due_event IS NULL) = (due_at IS NULL)),
    CHECK ((state IN (5, 6)) = (due_at IS NULL)),
    CHECK ((state = 6) = (close_reason <> 0))
) WITH (fillfactor = 80);

CREATE INDEX payment_due ON payment (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX payment_open_of_payer ON payment (payer_id) WHERE state < 4;
CREATE INDEX payment_open_of_payee ON payment (payee_id) WHERE state < 4;

-- The floor of the platform's balances is the smallest bigint: only the sum over their stripes means something.
CREATE TABLE balance (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL,
    purpose smallint NOT NULL CHECK (purpose IN (1, 2, 3, 11, 12, 13, 14, 15)),
    stripe bigint NOT NULL,
    amount_minor bigint NOT NULL,
    floor_minor bigint NOT NULL,
    version bigint NOT NULL,
    CHECK (amount_minor >= floor_minor),
    CHECK (purpose <> 3 OR amount_minor <= 0)
) WITH (fillfactor = 50);

CREATE INDEX balance_of_account ON balance (account_id);

CREATE TABLE journal (
    id uuid PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    subject_id uuid NOT NULL,
    memo text COLLATE "C" NOT NULL,
    caller text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    key_id uuid,
    peer text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE entry (
    balance_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    journal_id uuid NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    balance_after_minor bigint NOT NULL,
    PRIMARY KEY (balance_id, version)
);

CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    subject_id uuid NOT NULL,
    subject_version bigint NOT NULL,
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE audit_event (
    id uuid PRIMARY KEY,
    subject_id uuid NOT NULL,
    method text COLLATE "C" NOT NULL,
    caller text COLLATE "C" NOT NULL,
    key_id uuid,
    peer text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL
);

-- The platform itself owns the striped balances.
INSERT INTO account (id, kind, state, display_name, currencies, created_at, updated_at, version)
VALUES ('00000000-0000-8000-8000-00000000da0b', 99, 1, 'Platform', '', now(), now(), 1);

-- migrate:down

DROP TABLE audit_event, outbox, entry, journal, balance, payment, order_ref, funding, service_key, account, request, engine,
installation;
