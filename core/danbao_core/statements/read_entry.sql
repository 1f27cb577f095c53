-- One entry: when it was booked and what the balance held then.
SELECT journal.created_at, entry.balance_after_minor
FROM entry
JOIN journal ON journal.id = entry.journal_id
WHERE
    entry.balance_id = $1
    AND entry.version = $2
