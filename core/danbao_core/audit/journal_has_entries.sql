-- A journal has two or more entries.
WITH counted AS (
    SELECT journal_id, count(*) AS entries
    FROM entry
    GROUP BY journal_id
), broken AS MATERIALIZED (
    SELECT journal.id, coalesce(counted.entries, 0) AS entries
    FROM journal
    LEFT JOIN counted ON counted.journal_id = journal.id
    WHERE coalesce(counted.entries, 0) < 2
)
SELECT format('journal %s has %s of at least 2 entries', id, entries)
FROM broken
ORDER BY id
LIMIT 1
