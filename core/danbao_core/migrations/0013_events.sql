-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file adding-field-with-default, adding-not-nullable-field, ban-drop-column, require-concurrent-index-creation

-- migrate:up

-- Events in the order in which they are told. Rows are numbered when they are written, under the lock on their subject, so of two
-- events of one subject the later one has the larger number, whichever engines wrote them. (The one sequence that there is: ids
-- are made before the commit, and times are the same for a whole batch.)
ALTER TABLE outbox
    ADD COLUMN ordering_id uuid,
    ADD COLUMN traceparent text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN sequence bigint GENERATED ALWAYS AS IDENTITY;
UPDATE outbox SET ordering_id = subject_id;
ALTER TABLE outbox ALTER COLUMN ordering_id SET NOT NULL;
CREATE INDEX outbox_in_order ON outbox (sequence);
-- Its rows come and go; the relay looks at its beginning twenty times a second.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Events as they are told, under positions without gaps: the relay gives them, under a lock on the one row of event_log, so no
-- position becomes visible before a smaller one. Who reads on from a position misses nothing.
CREATE TABLE event_log (
    id bigint PRIMARY KEY CHECK (id = 1),
    last_position bigint NOT NULL,
    forgotten_position bigint NOT NULL,
    CHECK (forgotten_position BETWEEN 0 AND last_position)
);
INSERT INTO event_log (id, last_position, forgotten_position) VALUES (1, 0, 0);

CREATE TABLE event (
    position bigint PRIMARY KEY,
    id uuid NOT NULL,
    topic text COLLATE "C" NOT NULL,
    subject_id uuid NOT NULL,
    subject_version bigint NOT NULL,
    ordering_id uuid NOT NULL,
    account_id uuid,
    other_account_id uuid,
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL,
    relayed_at timestamptz NOT NULL,
    traceparent text COLLATE "C" NOT NULL
);
CREATE INDEX event_of_account ON event (account_id, position) WHERE account_id IS NOT NULL;
CREATE INDEX event_of_other_account ON event (other_account_id, position) WHERE other_account_id IS NOT NULL;
CREATE INDEX event_of_ordering ON event (ordering_id, position);

CREATE TABLE webhook_endpoint (
    id uuid PRIMARY KEY,
    account_id uuid,
    url text COLLATE "C" NOT NULL,
    topics text COLLATE "C" NOT NULL,
    description text COLLATE "C" NOT NULL,
    unordered boolean NOT NULL,
    state smallint NOT NULL CHECK (state IN (1, 2, 3)),
    disable_reason smallint NOT NULL CHECK (disable_reason IN (0, 1, 2)),
    secret bytea,
    old_secret bytea,
    old_secret_expires_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    rotated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    CHECK ((state = 2) = (disable_reason <> 0)),
    CHECK ((state = 3) = (secret IS NULL)),
    CHECK ((old_secret IS NULL) = (old_secret_expires_at IS NULL))
);
CREATE INDEX webhook_endpoint_of_account ON webhook_endpoint (account_id, id) WHERE state <> 3;
CREATE INDEX webhook_endpoint_of_platform ON webhook_endpoint (id) WHERE state <> 3 AND account_id IS NULL;

-- One event on its way to one endpoint. Times are wall time.
CREATE TABLE delivery (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    event_position bigint NOT NULL,
    topic text COLLATE "C" NOT NULL,
    ordering_id uuid NOT NULL,
    state smallint NOT NULL CHECK (state IN (1, 2, 3)),
    failures bigint NOT NULL,
    attempts bigint NOT NULL,
    due_at timestamptz,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    version bigint NOT NULL,
    CHECK ((state = 1) = (due_at IS NOT NULL)),
    CHECK ((state = 1) = (finished_at IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX delivery_due ON delivery (endpoint_id, due_at, event_position) WHERE state = 1;
CREATE INDEX delivery_in_order ON delivery (ordering_id, event_position) WHERE state = 1;
CREATE INDEX delivery_of_endpoint ON delivery (endpoint_id, id);

CREATE TABLE delivery_attempt (
    delivery_id uuid NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    started_at timestamptz NOT NULL,
    milliseconds bigint NOT NULL,
    status bigint NOT NULL,
    failure text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (delivery_id, number)
);

-- How an endpoint is doing: which worker calls it now, and until when if nobody hears of that one; how often, and since when, it
-- has failed without a success between; and until when it rests.
CREATE TABLE webhook_health (
    endpoint_id uuid PRIMARY KEY,
    leased_by uuid,
    leased_until timestamptz,
    failures bigint NOT NULL DEFAULT 0,
    failing_since timestamptz,
    rests_until timestamptz
) WITH (fillfactor = 50);

-- migrate:down

DROP TABLE webhook_health, delivery_attempt, delivery, webhook_endpoint, event, event_log;

ALTER TABLE outbox RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE outbox
    DROP COLUMN sequence,
    DROP COLUMN traceparent,
    DROP COLUMN ordering_id;
