-- The entries of the journals $1 among the balances, in the currency $3, of the accounts $2, of which $5 is the platform.
--
-- No index leads from a journal to its entries, because every payment would have to write it. They are found by time: entries are
-- numbered, and the times of two whose numbers say the contrary are less than $4 apart, of the platform's stripes, which one engine
-- at a time moves, less than $6. So the numbers between which a balance's part in a journal must be are found by halving, and what
-- is between them is looked at, by the balance's own order: OFFSET 0 keeps the planner from another.
SELECT entry.journal_id, place.account_id, place.purpose, entry.amount_minor, entry.balance_after_minor
FROM unnest($1::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT
        balance.id, balance.account_id, balance.purpose, balance.version,
        journal.created_at - apart.by AS not_before,
        journal.created_at + apart.by AS not_after
    FROM journal
    CROSS JOIN balance
    CROSS JOIN LATERAL (
        SELECT CASE WHEN balance.account_id = $5::uuid AND balance.purpose <> 14 THEN $6::interval ELSE $4::interval END AS by
    ) AS apart
    WHERE journal.id = wanted.id AND balance.account_id = ANY ($2::uuid[]) AND balance.currency = $3
    OFFSET 0
) AS place
CROSS JOIN LATERAL (
    -- The last entry that was surely booked before.
    WITH RECURSIVE halving (low, high) AS (
        SELECT 0::bigint, place.version
        UNION ALL
        SELECT
            CASE WHEN middle.created_at < place.not_before THEN middle.version ELSE halving.low END,
            CASE WHEN middle.created_at < place.not_before THEN halving.high ELSE middle.version - 1 END
        FROM halving
        CROSS JOIN LATERAL (
            SELECT seen.version, its.created_at
            FROM entry AS seen
            JOIN journal AS its ON its.id = seen.journal_id
            WHERE seen.balance_id = place.id AND seen.version = (halving.low + halving.high + 1) / 2
        ) AS middle
        WHERE halving.low < halving.high
    )
    SELECT low AS version FROM halving WHERE low = high OFFSET 0
) AS before
CROSS JOIN LATERAL (
    -- The last entry that was perhaps booked before.
    WITH RECURSIVE halving (low, high) AS (
        SELECT before.version, place.version
        UNION ALL
        SELECT
            CASE WHEN middle.created_at < place.not_after THEN middle.version ELSE halving.low END,
            CASE WHEN middle.created_at < place.not_after THEN halving.high ELSE middle.version - 1 END
        FROM halving
        CROSS JOIN LATERAL (
            SELECT seen.version, its.created_at
            FROM entry AS seen
            JOIN journal AS its ON its.id = seen.journal_id
            WHERE seen.balance_id = place.id AND seen.version = (halving.low + halving.high + 1) / 2
        ) AS middle
        WHERE halving.low < halving.high
    )
    SELECT low AS version FROM halving WHERE low = high OFFSET 0
) AS until
CROSS JOIN LATERAL (
    SELECT near.journal_id, near.amount_minor, near.balance_after_minor
    FROM entry AS near
    WHERE
        near.balance_id = place.id
        AND near.version > before.version
        AND near.version <= until.version
        AND near.journal_id = wanted.id
    OFFSET 0
) AS entry
