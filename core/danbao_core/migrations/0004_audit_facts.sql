-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion, ban-drop-column

-- migrate:up

-- Why somebody did it, in the words that they gave; a journal has its own memo.
ALTER TABLE audit_event ADD COLUMN memo text COLLATE "C" NOT NULL DEFAULT '';

-- Who did what to a subject, newest first. Ids and subjects grow with time, so the hot path adds at the right edge.
CREATE INDEX audit_event_of_subject ON audit_event (subject_id, id);
CREATE INDEX journal_of_subject ON journal (subject_id, id);

-- migrate:down

DROP INDEX journal_of_subject;
DROP INDEX audit_event_of_subject;
ALTER TABLE audit_event DROP COLUMN memo;
