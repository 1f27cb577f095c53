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

-- migrate:down

ALTER TABLE outbox
    DROP COLUMN sequence,
    DROP COLUMN traceparent,
    DROP COLUMN ordering_id;
