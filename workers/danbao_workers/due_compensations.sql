-- Disputes (state 5: settled) whose compensation waits for the fund (purpose 14), as far as it reaches for the oldest of each currency
-- now. Those behind one that it lacks wait, too, so that none is passed over for ever.
SELECT
    waiting.id,
    waiting.version AS mark,
    extract(epoch FROM $1 - waiting.ended_at)::float8 AS late_seconds
FROM (
    SELECT
        *,
        sum(award_compensation_minor - compensated_minor) OVER (PARTITION BY currency ORDER BY ended_at, id) AS wanted_minor
    FROM dispute
    WHERE compensated_minor < award_compensation_minor AND state = 5
) AS waiting
JOIN balance
    ON balance.account_id = '00000000-0000-8000-8000-00000000da0b'
    AND balance.currency = waiting.currency
    AND balance.purpose = 14
WHERE balance.amount_minor >= waiting.wanted_minor
ORDER BY waiting.ended_at, waiting.id
LIMIT $2
