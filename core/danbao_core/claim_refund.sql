-- Claims a refund whose bank is to be asked, for $2: whoever comes meanwhile finds it not due. The first claim says that the money may
-- move from now on; there is none where the card was unbound before. Time is business time, which the bank of a sandbox keeps its
-- days by. The row's lock keeps a command that would supersede the refund waiting, or finds it superseded.
UPDATE refund
SET
    attempts = attempts + 1,
    next_attempt_at = now() + $2::interval,
    sent_at = coalesce(sent_at, clock.time)
FROM instrument
CROSS JOIN (SELECT now() + make_interval(secs => clock_offset_seconds) AS time FROM installation WHERE id = 1) AS clock
WHERE
    refund.id = $1
    AND refund.next_attempt_at <= now()
    AND instrument.id = refund.instrument_id
    AND (refund.sent_at IS NOT NULL OR instrument.unbound_at IS NULL)
RETURNING
    false AS comes_in,
    refund.attempts,
    refund.amount_minor,
    refund.currency,
    instrument.token,
    clock.time
