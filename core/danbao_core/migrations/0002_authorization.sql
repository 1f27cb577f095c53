-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid, ban-drop-column
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion

-- migrate:up

-- Authorizations: mode 3, with the state AUTHORIZED (7), in which the payer's own account holds the money. And what can be done
-- once to a shipment: the payee corrects it, the payer takes longer to confirm.
ALTER TABLE payment
    ADD COLUMN shipment_corrected_at timestamptz,
    ADD COLUMN confirmation_extended_at timestamptz,
    DROP CONSTRAINT payment_mode_check,
    DROP CONSTRAINT payment_state_check,
    ADD CONSTRAINT payment_mode_check CHECK (mode IN (1, 2, 3)),
    ADD CONSTRAINT payment_state_check CHECK (state BETWEEN 1 AND 7),
    ADD CONSTRAINT payment_mode_has_state CHECK (state NOT IN (2, 3, 7) OR mode = CASE state WHEN 7 THEN 3 ELSE 1 END),
    ADD CONSTRAINT payment_was_shipped
        CHECK (shipped_at IS NOT NULL OR (shipment_corrected_at IS NULL AND confirmation_extended_at IS NULL));

-- An open payment is one whose money has not arrived or returned, in the words of `read_obligation.sql`; AUTHORIZED is such a one.
DROP INDEX payment_open_of_payer, payment_open_of_payee;
CREATE INDEX payment_open_of_payer ON payment (payer_id) WHERE state NOT IN (4, 5, 6);
CREATE INDEX payment_open_of_payee ON payment (payee_id) WHERE state NOT IN (4, 5, 6);

-- migrate:down

-- Possible where no authorization was made.
DROP INDEX payment_open_of_payer, payment_open_of_payee;
CREATE INDEX payment_open_of_payer ON payment (payer_id) WHERE state < 4;
CREATE INDEX payment_open_of_payee ON payment (payee_id) WHERE state < 4;

ALTER TABLE payment
    DROP CONSTRAINT payment_was_shipped,
    DROP CONSTRAINT payment_mode_has_state,
    DROP CONSTRAINT payment_mode_check,
    DROP CONSTRAINT payment_state_check,
    ADD CONSTRAINT payment_mode_check CHECK (mode IN (1, 2)),
    ADD CONSTRAINT payment_state_check CHECK (state BETWEEN 1 AND 6),
    DROP COLUMN shipment_corrected_at,
    DROP COLUMN confirmation_extended_at;
