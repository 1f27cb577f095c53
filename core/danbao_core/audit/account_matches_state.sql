-- An account is ACTIVE (1), CLOSED (2) or FROZEN (3); a closed one holds nothing, owes (3) only what a bank took back of a top-up
-- (funding state 5), none of its fundings is open (2, 4), no refund of what it has got (source 2) is open (1, 2), no dispute of
-- either side of it is open (1 to 4), and nobody's money is set aside (2, 3, 7) for a payment of it. It counts the refunds that wait for its money (2).
WITH holding AS (
    SELECT DISTINCT account_id
    FROM balance
    WHERE
        amount_minor <> 0
        AND NOT (purpose = 3 AND account_id IN (SELECT account_id FROM funding WHERE state = 5))
), pending AS (
    SELECT DISTINCT account_id
    FROM funding
    WHERE state IN (2, 4)
), paying AS (
    SELECT payer_id AS account_id
    FROM payment
    WHERE state IN (2, 3, 7)
    UNION
    SELECT payee_id
    FROM payment
    WHERE state IN (2, 3, 7)
), refunding AS (
    SELECT payee_id AS account_id, count(*) FILTER (WHERE state = 2) AS waiting
    FROM refund
    WHERE source = 2 AND state IN (1, 2)
    GROUP BY payee_id
), disputing AS (
    SELECT buyer_id AS account_id
    FROM dispute
    WHERE state BETWEEN 1 AND 4
    UNION
    SELECT seller_id
    FROM dispute
    WHERE state BETWEEN 1 AND 4
), broken AS MATERIALIZED (
    SELECT
        account.id,
        CASE
            WHEN account.state NOT IN (1, 2, 3) THEN format('is in state %s, which there is not', account.state)
            WHEN account.state = 2 AND holding.account_id IS NOT NULL THEN 'is closed, but its balances are not zero'
            WHEN account.state = 2 AND pending.account_id IS NOT NULL THEN 'is closed, but a funding of it is pending'
            WHEN account.state = 2 AND refunding.account_id IS NOT NULL THEN 'is closed, but a refund by it is open'
            WHEN account.state = 2 AND disputing.account_id IS NOT NULL THEN 'is closed, but a dispute of it is open'
            WHEN account.refunds_waiting <> coalesce(refunding.waiting, 0)
                THEN format('counts %s refunds that wait for its money, but there are %s', account.refunds_waiting, coalesce(refunding.waiting, 0))
            WHEN account.state = 2 AND paying.account_id IS NOT NULL THEN 'is closed, but a payment of it is under way'
        END AS breach
    FROM account
    LEFT JOIN holding ON holding.account_id = account.id
    LEFT JOIN pending ON pending.account_id = account.id
    LEFT JOIN refunding ON refunding.account_id = account.id
    LEFT JOIN disputing ON disputing.account_id = account.id
    LEFT JOIN paying ON paying.account_id = account.id
)
SELECT format('account %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
