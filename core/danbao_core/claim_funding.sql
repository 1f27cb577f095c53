-- Claims a funding whose bank is to be asked, for $2: whoever comes meanwhile finds it not due. Time is business time, which the
-- bank of a sandbox keeps its days by. A top-up (kind 1) comes in.
UPDATE funding
SET attempts = attempts + 1, next_attempt_at = now() + $2::interval
FROM instrument
CROSS JOIN (SELECT now() + make_interval(secs => clock_offset_seconds) AS time FROM installation WHERE id = 1) AS clock
WHERE
    funding.id = $1
    AND funding.next_attempt_at <= now()
    AND instrument.id = funding.instrument_id
RETURNING
    funding.kind = 1 AS comes_in,
    funding.attempts,
    funding.amount_minor,
    funding.currency,
    instrument.token,
    clock.time
