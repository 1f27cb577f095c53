-- An entry belongs to a journal.
WITH broken AS MATERIALIZED (
    SELECT entry.balance_id, entry.version, entry.journal_id
    FROM entry
    WHERE NOT EXISTS (SELECT FROM journal WHERE journal.id = entry.journal_id)
)
SELECT format('entry %s of balance %s belongs to journal %s, which is missing', version, balance_id, journal_id)
FROM broken
ORDER BY balance_id, version
LIMIT 1
