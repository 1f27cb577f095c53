-- The last of a balance's entries with versions above $2, up to $3, that was booked before a moment; $2 where none was.
SELECT coalesce(max(entry.version), $2) AS version
FROM entry
JOIN journal ON journal.id = entry.journal_id
WHERE
    entry.balance_id = $1
    AND entry.version > $2
    AND entry.version <= $3
    AND journal.created_at < $4
