-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file constraint-missing-not-valid, ban-drop-column, ban-drop-constraint, require-concurrent-index-creation

-- migrate:up

-- Who gets the money of a payment when its two sides disagree. While a dispute is open (states 1 to 4) something is due.
CREATE TABLE dispute (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    seller_id uuid NOT NULL,
    reason smallint NOT NULL CHECK (reason BETWEEN 1 AND 5),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 6),
    currency text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    released boolean NOT NULL,
    left_seconds bigint NOT NULL CHECK (left_seconds >= 0),
    held_minor bigint NOT NULL CHECK (held_minor BETWEEN 0 AND amount_minor),
    offer_minor bigint CHECK (offer_minor BETWEEN 1 AND amount_minor),
    award_buyer_minor bigint CHECK (award_buyer_minor BETWEEN 0 AND amount_minor),
    award_compensation_minor bigint NOT NULL CHECK (award_compensation_minor BETWEEN 0 AND amount_minor),
    decided_by text COLLATE "C" NOT NULL,
    redecided_by text COLLATE "C" NOT NULL,
    appealed_by smallint NOT NULL CHECK (appealed_by BETWEEN 0 AND 2),
    waived bigint NOT NULL CHECK (waived BETWEEN 0 AND 3),
    outcome smallint NOT NULL CHECK (outcome BETWEEN 0 AND 4),
    close_reason smallint NOT NULL CHECK (close_reason BETWEEN 0 AND 2),
    evidence_until timestamptz,
    buyer_evidence bigint NOT NULL CHECK (buyer_evidence >= 0),
    seller_evidence bigint NOT NULL CHECK (seller_evidence >= 0),
    due_event smallint,
    due_at timestamptz,
    respond_by timestamptz,
    paid_back_minor bigint NOT NULL CHECK (paid_back_minor BETWEEN 0 AND amount_minor),
    fee_returned_minor bigint NOT NULL CHECK (fee_returned_minor BETWEEN 0 AND paid_back_minor),
    owed_minor bigint NOT NULL CHECK (owed_minor BETWEEN 0 AND paid_back_minor),
    compensated_minor bigint NOT NULL CHECK (compensated_minor BETWEEN 0 AND award_compensation_minor),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    version bigint NOT NULL,
    CONSTRAINT dispute_open_is_due CHECK ((state IN (1, 2, 3, 4)) = (due_at IS NOT NULL) AND (due_at IS NULL) = (due_event IS NULL)),
    CONSTRAINT dispute_open_has_a_deadline CHECK ((state IN (1, 2, 3, 4)) = (respond_by IS NOT NULL)),
    CONSTRAINT dispute_ended_has_a_time CHECK ((state IN (5, 6)) = (ended_at IS NOT NULL)),
    CONSTRAINT dispute_settled_has_an_outcome CHECK ((state = 5) = (outcome <> 0) AND (state <> 5 OR award_buyer_minor IS NOT NULL)),
    CONSTRAINT dispute_closed_for_a_reason CHECK ((state = 6) = (close_reason <> 0)),
    CONSTRAINT dispute_was_decided CHECK (state <> 4 OR (award_buyer_minor IS NOT NULL AND decided_by <> '')),
    CONSTRAINT dispute_ended_holds_nothing CHECK (held_minor = 0 OR (released AND state IN (1, 2, 3, 4))),
    CONSTRAINT dispute_pays_when_settled
        CHECK (state = 5 OR (paid_back_minor = 0 AND fee_returned_minor = 0 AND owed_minor = 0 AND compensated_minor = 0)),
    CONSTRAINT dispute_awards_what_is_disputed
        CHECK (award_compensation_minor = 0 OR (reason = 4 AND award_buyer_minor + award_compensation_minor <= amount_minor)),
    CONSTRAINT dispute_of_escrow_takes_nothing_back CHECK (released OR (fee_returned_minor = 0 AND owed_minor = 0))
) WITH (fillfactor = 80);

-- What is to be done; who waits for the fund; lists.
CREATE INDEX dispute_due ON dispute (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX dispute_awaits_compensation ON dispute (ended_at, id) WHERE compensated_minor < award_compensation_minor AND state = 5;
CREATE INDEX dispute_of_payment ON dispute (payment_id, id);
CREATE INDEX dispute_of_buyer ON dispute (buyer_id, id);
CREATE INDEX dispute_of_seller ON dispute (seller_id, id);

-- What became of it, step by step; the last one's version is the dispute's.
CREATE TABLE dispute_step (
    dispute_id uuid NOT NULL,
    version bigint NOT NULL,
    event smallint NOT NULL,
    actor smallint NOT NULL CHECK (actor BETWEEN 1 AND 5),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 6),
    text text COLLATE "C" NOT NULL,
    amount_minor bigint,
    compensation_minor bigint NOT NULL,
    caller text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (dispute_id, version)
);

-- What the two sides show, and the files of it, apart so that lists need not read them.
CREATE TABLE evidence (
    id uuid PRIMARY KEY,
    dispute_id uuid NOT NULL,
    party smallint NOT NULL CHECK (party IN (1, 2)),
    text text COLLATE "C" NOT NULL,
    file_name text COLLATE "C" NOT NULL,
    media_type text COLLATE "C" NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes BETWEEN 0 AND 1048576),
    sha256 bytea NOT NULL CHECK (length(sha256) IN (0, 32)),
    created_at timestamptz NOT NULL,
    CONSTRAINT evidence_shows_something CHECK (text <> '' OR size_bytes > 0),
    CONSTRAINT evidence_describes_its_file
        CHECK ((size_bytes > 0) = (length(sha256) = 32) AND (size_bytes > 0) = (media_type <> '') AND (size_bytes > 0 OR file_name = ''))
);

CREATE INDEX evidence_of_dispute ON evidence (dispute_id, id);

CREATE TABLE evidence_file (
    id uuid PRIMARY KEY,
    content bytea NOT NULL CHECK (length(content) BETWEEN 1 AND 1048576)
);

-- A payment names its dispute that is open: until that ends nothing is due, and what was due next stays in `due_event`.
-- `disputes_had` says which it had (1 an ordinary one, 2 one because nobody authorized it), `awarded_minor` what awards gave back.
ALTER TABLE payment
    ADD COLUMN dispute_id uuid,
    ADD COLUMN disputes_had bigint NOT NULL DEFAULT 0,
    ADD COLUMN awarded_minor bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT payment_check3,
    DROP CONSTRAINT payment_check4,
    DROP CONSTRAINT payment_refunds_within_amount,
    ADD CONSTRAINT payment_under_way_is_due CHECK ((state IN (5, 6)) = (due_event IS NULL)),
    ADD CONSTRAINT payment_is_due_or_disputed CHECK ((due_at IS NOT NULL) = (state NOT IN (5, 6) AND dispute_id IS NULL)),
    ADD CONSTRAINT payment_disputed_is_paid CHECK (dispute_id IS NULL OR (state IN (2, 3, 4) AND disputes_had > 0)),
    ADD CONSTRAINT payment_had_disputes CHECK (disputes_had BETWEEN 0 AND 3),
    ADD CONSTRAINT payment_gives_back_within_amount
        CHECK (awarded_minor >= 0 AND refunded_minor + refund_reserved_minor + awarded_minor <= amount_minor);

-- migrate:down

-- Possible where nothing was disputed.
ALTER TABLE payment
    DROP CONSTRAINT payment_gives_back_within_amount,
    DROP CONSTRAINT payment_had_disputes,
    DROP CONSTRAINT payment_disputed_is_paid,
    DROP CONSTRAINT payment_is_due_or_disputed,
    DROP CONSTRAINT payment_under_way_is_due,
    ADD CONSTRAINT payment_check3 CHECK ((due_event IS NULL) = (due_at IS NULL)),
    ADD CONSTRAINT payment_check4 CHECK ((state IN (5, 6)) = (due_at IS NULL)),
    ADD CONSTRAINT payment_refunds_within_amount CHECK (refunded_minor + refund_reserved_minor <= amount_minor),
    DROP COLUMN awarded_minor,
    DROP COLUMN disputes_had,
    DROP COLUMN dispute_id;
DROP TABLE evidence_file;
DROP TABLE evidence;
DROP TABLE dispute_step;
DROP TABLE dispute;
