-- How long: since it was asked for, because that is what the payer waits.
SELECT id, attempts AS mark, extract(epoch FROM $1::timestamptz - created_at)::float8 AS late_seconds
FROM refund
WHERE next_attempt_at <= now()
ORDER BY next_attempt_at
LIMIT $2
