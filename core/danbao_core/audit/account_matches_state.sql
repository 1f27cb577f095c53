-- An account is ACTIVE (1), CLOSED (2) or FROZEN (3); a closed one holds and owes nothing, and none of its fundings is pending.
WITH holding AS (
    SELECT DISTINCT account_id
    FROM balance
    WHERE amount_minor <> 0
), pending AS (
    SELECT DISTINCT account_id
    FROM funding
    WHERE state = 2
), broken AS MATERIALIZED (
    SELECT
        account.id,
        CASE
            WHEN account.state NOT IN (1, 2, 3) THEN format('is in state %s, which there is not', account.state)
            WHEN account.state = 2 AND holding.account_id IS NOT NULL THEN 'is closed, but its balances are not zero'
            WHEN account.state = 2 AND pending.account_id IS NOT NULL THEN 'is closed, but a funding of it is pending'
        END AS breach
    FROM account
    LEFT JOIN holding ON holding.account_id = account.id
    LEFT JOIN pending ON pending.account_id = account.id
)
SELECT format('account %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
