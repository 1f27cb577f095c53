-- Nothing that can still change is past its time for more than an hour: payments, but for those that open refunds put off as in
-- `due_payment_timers.sql`; refunds that are to reach a wallet (destination 1) or have awaited funds (state 2) for too long; payouts; disputes. Where the
-- clock of a sandbox was moved within the hour, what that made due is not late yet. A bank is asked by wall time. Whatever else has a
-- timer of its own, adds its rows to `waiting` with UNION ALL; proposals have none, they end when somebody comes too late.
WITH clock AS (
    SELECT
        statement_timestamp() - interval '1 hour' AS ago,
        CASE
            WHEN clock_moved_at > statement_timestamp() - interval '1 hour' THEN '-infinity'
            ELSE statement_timestamp() - interval '1 hour' + make_interval(secs => clock_offset_seconds)
        END AS business_ago
    FROM installation
    WHERE id = 1
), waiting (name, id, due_at) AS (
    SELECT 'payment', id, due_at
    FROM payment
    WHERE due_at <= (SELECT business_ago FROM clock)
        AND NOT (due_event = 4 AND refund_reserved_minor > 0)
        AND NOT (due_event = 3 AND refund_reserved_minor = held_minor)
    UNION ALL
    SELECT 'refund', id, due_at
    FROM refund
    WHERE due_at <= (SELECT business_ago FROM clock) AND (destination = 1 OR state = 2)
    UNION ALL
    SELECT 'payout schedule', id, due_at
    FROM payout_schedule
    WHERE due_at <= (SELECT business_ago FROM clock)
    UNION ALL
    SELECT 'dispute', id, due_at
    FROM dispute
    WHERE due_at <= (SELECT business_ago FROM clock)
    UNION ALL
    SELECT 'bank transfer of refund', id, next_attempt_at
    FROM refund
    WHERE next_attempt_at <= (SELECT ago FROM clock)
    UNION ALL
    SELECT 'bank transfer of funding', id, next_attempt_at
    FROM funding
    WHERE next_attempt_at <= (SELECT ago FROM clock)
), late AS MATERIALIZED (
    SELECT *
    FROM waiting
)
SELECT format('%s %s was due at %s, and %s more things are late', name, id, due_at, (SELECT count(*) - 1 FROM late))
FROM late
ORDER BY due_at, id
LIMIT 1
