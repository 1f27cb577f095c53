-- The entries of the journals $1 among the balances, in the currency $3, of the accounts $2.
--
-- No index leads from a journal to its entries, because every payment would have to write it. They are found by time: entries are
-- numbered, and the times of two whose numbers say the contrary are less than $4 apart. So the numbers between which a balance's
-- part in a journal must be are found by halving, and what is between them is looked at.
SELECT entry.journal_id, balance.account_id, balance.purpose, entry.amount_minor, entry.balance_after_minor
FROM unnest($1::uuid[]) AS wanted (id)
JOIN journal ON journal.id = wanted.id
JOIN balance ON balance.account_id = ANY ($2::uuid[]) AND balance.currency = $3
CROSS JOIN LATERAL (
    -- The last entry that was surely booked before.
    WITH RECURSIVE halving (low, high) AS (
        SELECT 0::bigint, balance.version
        UNION ALL
        SELECT
            CASE WHEN middle.created_at < journal.created_at - $4::interval THEN middle.version ELSE halving.low END,
            CASE WHEN middle.created_at < journal.created_at - $4::interval THEN halving.high ELSE middle.version - 1 END
        FROM halving
        CROSS JOIN LATERAL (
            SELECT seen.version, its.created_at
            FROM entry AS seen
            JOIN journal AS its ON its.id = seen.journal_id
            WHERE seen.balance_id = balance.id AND seen.version = (halving.low + halving.high + 1) / 2
        ) AS middle
        WHERE halving.low < halving.high
    )
    SELECT low AS version FROM halving WHERE low = high
) AS before
CROSS JOIN LATERAL (
    -- The last entry that was perhaps booked before.
    WITH RECURSIVE halving (low, high) AS (
        SELECT before.version, balance.version
        UNION ALL
        SELECT
            CASE WHEN middle.created_at < journal.created_at + $4::interval THEN middle.version ELSE halving.low END,
            CASE WHEN middle.created_at < journal.created_at + $4::interval THEN halving.high ELSE middle.version - 1 END
        FROM halving
        CROSS JOIN LATERAL (
            SELECT seen.version, its.created_at
            FROM entry AS seen
            JOIN journal AS its ON its.id = seen.journal_id
            WHERE seen.balance_id = balance.id AND seen.version = (halving.low + halving.high + 1) / 2
        ) AS middle
        WHERE halving.low < halving.high
    )
    SELECT low AS version FROM halving WHERE low = high
) AS until
JOIN entry
    ON entry.balance_id = balance.id
    AND entry.version > before.version
    AND entry.version <= until.version
    AND entry.journal_id = journal.id
