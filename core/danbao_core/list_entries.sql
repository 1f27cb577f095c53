-- One balance's entries, newest first, and why the money moved.
SELECT
    entry.version,
    entry.journal_id,
    entry.amount_minor,
    entry.balance_after_minor,
    journal.kind,
    journal.subject_id,
    journal.created_at
FROM entry
JOIN journal ON journal.id = entry.journal_id
WHERE
    entry.balance_id = $1
    AND entry.version < coalesce($2, 9223372036854775807)
ORDER BY entry.version DESC
LIMIT $3
