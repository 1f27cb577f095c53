-- A balance has an owner: the platform (kind 99, which is one certain account) for the platform's purposes, from 11 on, and
-- another account, without stripes, for the purposes of a wallet.
WITH broken AS MATERIALIZED (
    SELECT
        balance.id,
        CASE
            WHEN account.id IS NULL THEN format('belongs to account %s, which is missing', balance.account_id)
            WHEN (account.kind = 99) <> (account.id = '00000000-0000-8000-8000-00000000da0b')
                THEN format('belongs to account %s, which should not be of kind %s', account.id, account.kind)
            WHEN (account.kind = 99) <> (balance.purpose >= 11)
                THEN format('of purpose %s belongs to account %s of kind %s', balance.purpose, account.id, account.kind)
            WHEN balance.purpose < 11 AND balance.stripe <> 0
                THEN format('of account %s is stripe %s of a wallet, which has none', account.id, balance.stripe)
        END AS breach
    FROM balance
    LEFT JOIN account ON account.id = balance.account_id
)
SELECT format('balance %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
