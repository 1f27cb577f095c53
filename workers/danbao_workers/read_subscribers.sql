-- The enabled endpoints of these accounts, and those of the platform.
(
    SELECT id, account_id, topics
    FROM webhook_endpoint
    WHERE
        account_id = ANY ($1::uuid[])
        AND state = 1
)
UNION ALL
(
    SELECT id, account_id, topics
    FROM webhook_endpoint
    WHERE
        account_id IS NULL
        AND state = 1
)
