-- An event is in the outbox or has its one position.
SELECT format('event %s is told %s times', id, count(*))
FROM (
    SELECT id FROM event
    UNION ALL
    SELECT id FROM outbox
) AS told
GROUP BY id
HAVING count(*) > 1
ORDER BY id
LIMIT 1
