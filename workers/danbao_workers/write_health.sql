-- How endpoints ($1) are doing after attempts of which $2 failed, and $3 whether one succeeded. One that failed $4 times without a
-- success rests for a time that doubles, up to 5 minutes, and is free for any worker. Answers those that fail since $5
-- seconds, in which nobody enabled or changed them.
UPDATE webhook_health AS h
SET
    failures = n.failures,
    failing_since = CASE WHEN n.failures > 0 THEN coalesce(CASE WHEN NOT k.succeeded THEN h.failing_since END, now()) END,
    rests_until = CASE WHEN n.rests THEN now() + make_interval(secs => least(300, 5 * 2 ^ least(n.failures - $4, 10))) END,
    leased_by = CASE WHEN NOT n.rests THEN h.leased_by END,
    leased_until = CASE WHEN NOT n.rests THEN h.leased_until END
FROM unnest($1::uuid[], $2::bigint[], $3::boolean[]) AS k (endpoint_id, failed, succeeded)
JOIN webhook_health AS b ON b.endpoint_id = k.endpoint_id
JOIN webhook_endpoint AS e ON e.id = k.endpoint_id
CROSS JOIN (SELECT now() - make_interval(secs => $5) AS time) AS long_ago
CROSS JOIN LATERAL (SELECT CASE WHEN k.succeeded THEN 0 ELSE b.failures + k.failed END AS failures) AS c
CROSS JOIN LATERAL (SELECT c.failures, c.failures >= $4 AS rests) AS n
WHERE h.endpoint_id = k.endpoint_id
RETURNING
    h.endpoint_id,
    h.failures >= $4 AS rests,
    coalesce(h.failing_since < long_ago.time AND e.updated_at < long_ago.time, false) AS hopeless
