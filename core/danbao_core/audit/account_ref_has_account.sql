-- An external id leads to an account that has it.
WITH broken AS MATERIALIZED (
    SELECT account_ref.*, account.id IS NULL AS is_missing
    FROM account_ref
    LEFT JOIN account ON account.id = account_ref.account_id
    WHERE account.id IS NULL OR account.external_id <> account_ref.external_id
)
SELECT format(
    'external id %L leads to account %s, which %s',
    external_id, account_id, CASE WHEN is_missing THEN 'is missing' ELSE 'has another external id' END
)
FROM broken
ORDER BY external_id
LIMIT 1
