-- Has what an endpoint ($1) did not take delivered from now on with all retries: of what is pending or has failed, the first $3
-- whose ids are behind $2; answers these.
WITH pending AS (
    SELECT id
    FROM delivery
    WHERE
        endpoint_id = $1
        AND state = 1
        AND (failures > 0 OR due_at > now())
        AND id > $2
    ORDER BY id
    LIMIT $3
),
failed AS (
    SELECT id
    FROM delivery
    WHERE
        endpoint_id = $1
        AND state = 3
        AND id > $2
    ORDER BY id
    LIMIT $3
),
next AS (
    SELECT id FROM pending
    UNION ALL
    SELECT id FROM failed
    ORDER BY id
    LIMIT $3
)
UPDATE delivery AS d
SET state = 1, failures = 0, due_at = now(), finished_at = NULL, version = d.version + 1
FROM next
WHERE d.id = next.id AND d.state <> 2
RETURNING d.id
