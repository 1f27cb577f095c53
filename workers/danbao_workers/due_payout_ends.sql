-- Payouts (state 1: pending) whose withdrawal has ended (1: succeeded, 3: failed); $1 is the business time.
SELECT payout.id, payout.version AS mark, extract(epoch FROM $1 - funding.updated_at)::float8 AS late_seconds
FROM payout
JOIN funding ON funding.id = payout.funding_id
WHERE payout.state = 1 AND funding.state IN (1, 3)
ORDER BY payout.id
LIMIT $2
