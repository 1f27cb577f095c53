-- Takes messages that nobody else has, for $2 seconds, and says in which language their accounts are written to. What is of no use
-- any more is written down as such, and answered with it.
WITH free AS (
    SELECT id
    FROM message
    WHERE id = ANY ($1::uuid[]) AND state = 1 AND (next_attempt_at IS NULL OR next_attempt_at <= now())
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
    UPDATE message
    SET
        state = CASE WHEN message.address = '' OR message.expires_at <= clock.time THEN 4 ELSE 1 END,
        attempts = message.attempts + 1,
        next_attempt_at = now() + $2 * interval '1 second',
        version = message.version + 1
    FROM free, (SELECT now() + clock_offset_seconds * interval '1 second' AS time FROM installation WHERE id = 1) AS clock
    WHERE message.id = free.id
    RETURNING message.*
)
SELECT claimed.*, coalesce(account.language, '') AS account_language
FROM claimed
LEFT JOIN phone_ref ON phone_ref.phone_hash = claimed.address_hash AND claimed.account_id IS NULL
LEFT JOIN account ON account.id = coalesce(claimed.account_id, phone_ref.account_id)
ORDER BY claimed.id
