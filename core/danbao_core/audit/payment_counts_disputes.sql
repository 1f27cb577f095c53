-- A payment names its dispute that is open (states 1 to 4), which is one at most; it had at most one ordinary dispute (bit 1) and one
-- because nobody authorized it (reason 4, bit 2), says so, and counts what disputes that were settled gave back.
WITH counted AS (
    SELECT
        payment_id,
        count(*) AS disputes,
        count(*) FILTER (WHERE state BETWEEN 1 AND 4) AS open_disputes,
        (array_agg(id) FILTER (WHERE state BETWEEN 1 AND 4))[1] AS open_id,
        count(DISTINCT reason = 4) AS sorts,
        bit_or(CASE reason WHEN 4 THEN 2 ELSE 1 END) AS bits,
        sum(paid_back_minor) AS awarded_minor
    FROM dispute
    GROUP BY payment_id
), counting AS (
    SELECT *
    FROM payment
    WHERE dispute_id IS NOT NULL OR disputes_had <> 0 OR awarded_minor <> 0
), broken AS MATERIALIZED (
    SELECT
        coalesce(counting.id, counted.payment_id) AS id,
        CASE
            WHEN counting.id IS NULL THEN format('has %s disputes, but counts none', counted.disputes)
            WHEN counted.open_disputes > 1 THEN format('has %s open disputes', counted.open_disputes)
            WHEN counting.dispute_id IS DISTINCT FROM counted.open_id
                THEN format('names the dispute %s, but the open one is %s', counting.dispute_id, coalesce(counted.open_id::text, 'none'))
            WHEN counting.disputes_had <> coalesce(counted.bits, 0)
                THEN format('had disputes of the sorts %s, but there are those of %s', counting.disputes_had, coalesce(counted.bits, 0))
            WHEN counted.disputes > counted.sorts THEN format('has %s disputes, of %s sorts', counted.disputes, counted.sorts)
            WHEN counting.awarded_minor <> coalesce(counted.awarded_minor, 0)
                THEN format('counts %s awarded, but its disputes gave back %s', counting.awarded_minor, coalesce(counted.awarded_minor, 0))
        END AS breach
    FROM counting
    FULL JOIN counted ON counted.payment_id = counting.id
)
SELECT format('payment %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
