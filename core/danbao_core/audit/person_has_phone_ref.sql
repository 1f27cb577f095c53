-- A person who is not erased is found by a phone number.
WITH broken AS MATERIALIZED (
    SELECT person.account_id
    FROM person
    LEFT JOIN (SELECT DISTINCT account_id FROM phone_ref) AS found ON found.account_id = person.account_id
    WHERE person.phone IS NOT NULL AND found.account_id IS NULL
)
SELECT format('person %s has a phone number, which leads to nobody', account_id)
FROM broken
ORDER BY account_id
LIMIT 1
