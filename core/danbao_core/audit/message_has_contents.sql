-- A message that is to be sent has an address and says something; none says anything to somebody who was erased.
WITH broken AS MATERIALIZED (
    SELECT message.id, 'is to be sent, and says nothing to nobody' AS how
    FROM message
    WHERE message.state = 1 AND (message.address = '' OR message.parameters = '')
    UNION ALL
    SELECT message.id, 'says something to somebody who is missing or erased' AS how
    FROM message
    LEFT JOIN person ON person.account_id = message.account_id
    WHERE message.account_id IS NOT NULL AND message.address <> '' AND person.phone IS NULL
)
SELECT format('message %s %s', id, how)
FROM broken
ORDER BY id
LIMIT 1
