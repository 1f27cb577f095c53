-- A dispute counts what each of its sides (1, 2) showed, a step (event 8) for each; evidence belongs to a dispute.
WITH shown AS (
    SELECT
        dispute_id,
        count(*) FILTER (WHERE party = 1) AS of_buyer,
        count(*) FILTER (WHERE party = 2) AS of_seller
    FROM evidence
    GROUP BY dispute_id
), stepped AS (
    SELECT dispute_id, count(*) AS steps
    FROM dispute_step
    WHERE event = 8
    GROUP BY dispute_id
), broken AS MATERIALIZED (
    SELECT
        coalesce(dispute.id, shown.dispute_id) AS id,
        CASE
            WHEN dispute.id IS NULL THEN 'is missing, but evidence of it is not'
            WHEN (dispute.buyer_evidence, dispute.seller_evidence) <> (coalesce(shown.of_buyer, 0), coalesce(shown.of_seller, 0))
                THEN format('counts evidence %s times by the buyer and %s by the seller, but there are %s and %s',
                    dispute.buyer_evidence, dispute.seller_evidence, coalesce(shown.of_buyer, 0), coalesce(shown.of_seller, 0))
            WHEN dispute.buyer_evidence + dispute.seller_evidence <> coalesce(stepped.steps, 0)
                THEN format('counts evidence %s times, but has %s steps of it',
                    dispute.buyer_evidence + dispute.seller_evidence, coalesce(stepped.steps, 0))
        END AS breach
    FROM dispute
    LEFT JOIN stepped ON stepped.dispute_id = dispute.id
    FULL JOIN shown ON shown.dispute_id = dispute.id
)
SELECT format('dispute %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
