-- What the platform earned (purpose 12, over all stripes) is the fees of what payments released, less what refunds that succeeded
-- (state 3) and disputes gave back of them, and what operators moved in or out of it by proposals.
WITH earned AS (
    SELECT currency, sum(amount_minor) AS earned_minor
    FROM balance
    WHERE purpose = 12
    GROUP BY currency
), source AS (
    SELECT currency, fee_minor AS amount_minor
    FROM payment
    WHERE released_minor > 0
    UNION ALL
    SELECT currency, -fee_share_minor
    FROM refund
    WHERE state = 3
    UNION ALL
    SELECT currency, -fee_returned_minor
    FROM dispute
    WHERE fee_returned_minor <> 0
    UNION ALL
    SELECT balance.currency, entry.amount_minor
    FROM journal
    JOIN entry ON entry.journal_id = journal.id
    JOIN balance ON balance.id = entry.balance_id
    WHERE journal.kind LIKE 'proposal.%' AND balance.purpose = 12
), charged AS (
    SELECT currency, sum(amount_minor) AS charged_minor
    FROM source
    GROUP BY currency
), broken AS MATERIALIZED (
    SELECT currency, coalesce(earned_minor, 0) AS earned_minor, coalesce(charged_minor, 0) AS charged_minor
    FROM earned
    FULL JOIN charged USING (currency)
    WHERE coalesce(earned_minor, 0) <> coalesce(charged_minor, 0)
)
SELECT format(
    'fees in %s are %s minor units, but those of the payments that succeeded, with adjustments, are %s', currency, earned_minor, charged_minor
)
FROM broken
ORDER BY currency
LIMIT 1
