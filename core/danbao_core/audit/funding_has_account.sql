-- A funding is for an account that has a wallet in its currency.
WITH broken AS MATERIALIZED (
    SELECT funding.*, account.id IS NULL AS is_missing
    FROM funding
    LEFT JOIN account ON account.id = funding.account_id
    LEFT JOIN balance
        ON balance.account_id = account.id AND balance.currency = funding.currency AND balance.purpose = 1
    WHERE balance.id IS NULL
)
SELECT format(
    CASE
        WHEN is_missing THEN 'funding %s is for account %s, which is missing'
        ELSE 'funding %s is for account %s, which has no wallet in %s'
    END,
    id, account_id, currency
)
FROM broken
ORDER BY id
LIMIT 1
