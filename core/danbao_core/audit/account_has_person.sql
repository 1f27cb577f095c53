-- An account that is a person's has a person, and a person has such an account.
WITH broken AS MATERIALIZED (
    SELECT coalesce(account.id, person.account_id) AS id, person.account_id IS NULL AS is_nobodys
    FROM (SELECT id FROM account WHERE personal) AS account
    FULL JOIN person ON person.account_id = account.id
    WHERE account.id IS NULL OR person.account_id IS NULL
)
SELECT format('account %s %s', id, CASE WHEN is_nobodys THEN 'is personal and has no person' ELSE 'has a person and is not personal' END)
FROM broken
ORDER BY id
LIMIT 1
