-- Open refunds put off the end of the refund window (4), and the release (3) where they leave nothing to release.
SELECT id, version AS mark, extract(epoch FROM $1 - due_at)::float8 AS late_seconds
FROM payment
WHERE due_at <= $1
    AND NOT (due_event = 4 AND refund_reserved_minor > 0)
    AND NOT (due_event = 3 AND refund_reserved_minor = held_minor)
ORDER BY due_at
LIMIT $2
