-- An account has the three balances of a wallet (purposes 1, 2 and 3) in each of its currencies, and in no other.
WITH listed AS (
    SELECT account.id AS account_id, currency
    FROM account
    CROSS JOIN unnest(string_to_array(account.currencies, ' ')) AS currency
    WHERE account.kind <> 99
), wallet AS (
    SELECT balance.account_id, balance.currency, count(DISTINCT balance.purpose) AS balances
    FROM balance
    WHERE balance.purpose < 11
    GROUP BY balance.account_id, balance.currency
), broken AS MATERIALIZED (
    SELECT account_id, currency, listed.currency IS NOT NULL AS is_listed, coalesce(wallet.balances, 0) AS balances
    FROM listed
    FULL JOIN wallet USING (account_id, currency)
    WHERE listed.currency IS NULL OR wallet.balances IS DISTINCT FROM 3
)
SELECT format(
    CASE
        WHEN is_listed THEN 'account %1$s has %3$s of the 3 balances of its wallet in %2$s'
        ELSE 'account %1$s has balances in %2$s, which is not among its currencies'
    END,
    account_id, currency, balances
)
FROM broken
ORDER BY account_id, currency
LIMIT 1
