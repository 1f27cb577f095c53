-- Only people who are not erased have an inbox and preferences.
WITH told AS (
    SELECT inbox_message.account_id FROM inbox_message
    UNION
    SELECT preference.account_id FROM preference
), broken AS MATERIALIZED (
    SELECT told.account_id
    FROM told
    LEFT JOIN person ON person.account_id = told.account_id
    WHERE person.phone IS NULL
)
SELECT format('somebody was told something as account %s, which has no person', account_id)
FROM broken
ORDER BY account_id
LIMIT 1
