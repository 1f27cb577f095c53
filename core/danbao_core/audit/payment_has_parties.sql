-- A payment has a payer and a payee: two accounts, each with a wallet in its currency.
WITH party AS (
    SELECT id, currency, 'payer' AS role, payer_id AS account_id FROM payment
    UNION ALL
    SELECT id, currency, 'payee' AS role, payee_id AS account_id FROM payment
), broken AS MATERIALIZED (
    SELECT
        party.id,
        party.role,
        CASE
            WHEN account.id IS NULL THEN format('the %s %s, which is missing', party.role, party.account_id)
            WHEN account.kind = 99 THEN format('the platform as its %s', party.role)
            ELSE format('the %s %s, which has no wallet in %s', party.role, party.account_id, party.currency)
        END AS breach
    FROM party
    LEFT JOIN account ON account.id = party.account_id
    LEFT JOIN balance
        ON balance.account_id = account.id AND balance.currency = party.currency AND balance.purpose = 1
    WHERE balance.id IS NULL
    UNION ALL
    SELECT id, 'payer', format('account %s on both sides', payer_id)
    FROM payment
    WHERE payer_id = payee_id
)
SELECT format('payment %s has %s', id, breach)
FROM broken
ORDER BY id, role
LIMIT 1
