-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file constraint-missing-not-valid, ban-drop-constraint, require-concurrent-index-creation
-- squawk-ignore-file require-concurrent-index-deletion

-- migrate:up

-- The queue of who decides, and everybody's own: open disputes by their deadlines. Those of an account also tell what keeps it from
-- closing, in the words of `read_obligation.sql`.
CREATE INDEX dispute_by_deadline ON dispute (respond_by, id) WHERE respond_by IS NOT NULL;
CREATE INDEX dispute_by_deadline_of_buyer ON dispute (buyer_id, respond_by, id) WHERE respond_by IS NOT NULL;
CREATE INDEX dispute_by_deadline_of_seller ON dispute (seller_id, respond_by, id) WHERE respond_by IS NOT NULL;

-- Those for which the fund was short, in the order of lists.
CREATE INDEX dispute_short_of_compensation ON dispute (id) WHERE compensated_minor < award_compensation_minor AND state = 5;

-- People are told of disputes: a category of its own (5).
ALTER TABLE preference
    DROP CONSTRAINT preference_category_check,
    ADD CONSTRAINT preference_category_check CHECK (category BETWEEN 1 AND 5);
ALTER TABLE inbox_message
    DROP CONSTRAINT inbox_message_category_check,
    ADD CONSTRAINT inbox_message_category_check CHECK (category BETWEEN 1 AND 5);

-- migrate:down

-- Possible where nobody was told of disputes.
ALTER TABLE inbox_message
    DROP CONSTRAINT inbox_message_category_check,
    ADD CONSTRAINT inbox_message_category_check CHECK (category BETWEEN 1 AND 4);
ALTER TABLE preference
    DROP CONSTRAINT preference_category_check,
    ADD CONSTRAINT preference_category_check CHECK (category BETWEEN 1 AND 4);
DROP INDEX dispute_short_of_compensation;
DROP INDEX dispute_by_deadline_of_seller;
DROP INDEX dispute_by_deadline_of_buyer;
DROP INDEX dispute_by_deadline;
