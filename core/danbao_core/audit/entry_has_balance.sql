-- An entry belongs to a balance.
WITH broken AS MATERIALIZED (
    SELECT entry.balance_id, entry.version, entry.journal_id
    FROM entry
    WHERE NOT EXISTS (SELECT FROM balance WHERE balance.id = entry.balance_id)
)
SELECT format('entry %s of journal %s belongs to balance %s, which is missing', version, journal_id, balance_id)
FROM broken
ORDER BY balance_id, version
LIMIT 1
