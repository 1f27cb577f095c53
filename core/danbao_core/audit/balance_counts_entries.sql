-- The entries of a balance have the versions 1 to n without a gap, and n is the balance's version. No two have the same
-- version (the primary key), so counting is enough.
WITH counted AS (
    SELECT balance_id, count(*) AS entries, min(version) AS first, max(version) AS last
    FROM entry
    GROUP BY balance_id
), broken AS MATERIALIZED (
    SELECT balance.id, balance.version, coalesce(counted.entries, 0) AS entries, counted.first, counted.last
    FROM balance
    LEFT JOIN counted ON counted.balance_id = balance.id
    WHERE balance.version <> coalesce(counted.entries, 0)
        OR counted.first <> 1
        OR counted.last <> counted.entries
)
SELECT format('balance %s is at version %s and has %s entries', id, version, entries)
    || CASE WHEN entries > 0 THEN format(', with versions from %s to %s', first, last) ELSE '' END
FROM broken
ORDER BY id
LIMIT 1
