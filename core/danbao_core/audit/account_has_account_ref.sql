-- An account with an external id is the one that this leads to.
WITH broken AS MATERIALIZED (
    SELECT account.id, account.external_id, account_ref.account_id
    FROM account
    LEFT JOIN account_ref ON account_ref.external_id = account.external_id
    WHERE account.external_id <> '' AND account_ref.account_id IS DISTINCT FROM account.id
)
SELECT format(
    'account %s has external id %L, which leads to %s',
    id, external_id, coalesce('account ' || account_id, 'no account')
)
FROM broken
ORDER BY id
LIMIT 1
