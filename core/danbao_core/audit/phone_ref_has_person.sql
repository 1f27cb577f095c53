-- A phone number leads to nobody, or to a person who is not erased.
WITH broken AS MATERIALIZED (
    SELECT phone_ref.account_id
    FROM phone_ref
    LEFT JOIN person ON person.account_id = phone_ref.account_id
    WHERE phone_ref.account_id IS NOT NULL AND person.phone IS NULL
)
SELECT format('a phone number leads to person %s, who is missing or erased', account_id)
FROM broken
ORDER BY account_id
LIMIT 1
