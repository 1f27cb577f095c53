-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file constraint-missing-not-valid, ban-drop-column, ban-drop-constraint, require-concurrent-index-creation

-- migrate:up

CREATE TABLE refund (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL,
    payer_id uuid NOT NULL,
    payee_id uuid NOT NULL,
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
    source smallint NOT NULL CHECK (source IN (1, 2)),
    destination smallint NOT NULL CHECK (destination IN (1, 2)),
    instrument_id uuid,
    currency text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    fee_share_minor bigint NOT NULL CHECK (fee_share_minor BETWEEN 0 AND amount_minor),
    reason text COLLATE "C" NOT NULL,
    failure smallint NOT NULL CHECK (failure BETWEEN 0 AND 3),
    fallback smallint NOT NULL CHECK (fallback BETWEEN 0 AND 2),
    due_at timestamptz,
    attempts bigint NOT NULL,
    next_attempt_at timestamptz,
    sent_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    version bigint NOT NULL,
    CONSTRAINT refund_open_is_due CHECK ((state IN (1, 2)) = (due_at IS NOT NULL)),
    CONSTRAINT refund_ended_has_a_time CHECK ((state IN (3, 4)) = (ended_at IS NOT NULL)),
    CONSTRAINT refund_failed_for_a_reason CHECK ((state = 4) = (failure <> 0)),
    CONSTRAINT refund_waits_for_the_payee CHECK (state <> 2 OR (source = 2 AND fee_share_minor = 0)),
    CONSTRAINT refund_of_escrow_has_no_share CHECK (source = 2 OR fee_share_minor = 0),
    CONSTRAINT refund_to_a_card_names_it CHECK (instrument_id IS NOT NULL OR (destination = 1 AND fallback = 0 AND attempts = 0)),
    CONSTRAINT refund_was_sent_if_tried CHECK ((attempts > 0) = (sent_at IS NOT NULL)),
    CONSTRAINT refund_asks_for_a_card_alone CHECK (next_attempt_at IS NULL OR (state = 1 AND destination = 2))
) WITH (fillfactor = 80);

-- What is to be done, and who waits for money; what keeps an account from closing, in the words of `read_obligation.sql`; lists.
CREATE INDEX refund_due ON refund (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX refund_at_bank ON refund (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX refund_waiting ON refund (payee_id, currency, id) WHERE state = 2;
CREATE INDEX refund_open_of_payer ON refund (payer_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX refund_open_of_payee ON refund (payee_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX refund_of_payment ON refund (payment_id, id);
CREATE INDEX refund_of_payer ON refund (payer_id, id);
CREATE INDEX refund_of_payee ON refund (payee_id, id);

-- What refunds give back, have given back and took from the payee; a payment is locked before its refunds, and names those that
-- are open, so that they are found without a search.
ALTER TABLE payment
    ADD COLUMN refund_reserved_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN refund_taken_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN fee_returned_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN refund_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN open_refunds text COLLATE "C" NOT NULL DEFAULT '',
    ADD CONSTRAINT payment_refunds_are_not_negative
        CHECK (refund_reserved_minor >= 0 AND refunded_minor >= 0 AND refund_count >= 0),
    ADD CONSTRAINT payment_refunds_within_amount CHECK (refunded_minor + refund_reserved_minor <= amount_minor),
    ADD CONSTRAINT payment_refunds_take_what_was_released CHECK (refund_taken_minor BETWEEN 0 AND released_minor),
    ADD CONSTRAINT payment_returns_its_own_fee CHECK (fee_returned_minor BETWEEN 0 AND fee_minor);

ALTER TABLE account
    ADD COLUMN refunds_waiting bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT account_refunds_waiting_are_counted CHECK (refunds_waiting >= 0);

-- migrate:down

-- Possible where nothing was refunded.
ALTER TABLE account
    DROP CONSTRAINT account_refunds_waiting_are_counted,
    DROP COLUMN refunds_waiting;
ALTER TABLE payment
    DROP CONSTRAINT payment_returns_its_own_fee,
    DROP CONSTRAINT payment_refunds_take_what_was_released,
    DROP CONSTRAINT payment_refunds_within_amount,
    DROP CONSTRAINT payment_refunds_are_not_negative,
    DROP COLUMN open_refunds,
    DROP COLUMN refund_count,
    DROP COLUMN fee_returned_minor,
    DROP COLUMN refund_taken_minor,
    DROP COLUMN refunded_minor,
    DROP COLUMN refund_reserved_minor;
DROP TABLE refund;
