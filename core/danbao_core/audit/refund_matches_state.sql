-- A refund is PENDING (1), AWAITING_FUNDS (2), SUCCEEDED (3) or FAILED (4), in the first two with a time at which something is to
-- happen and in the others with one at which it ended, failed for a reason and only then. Only what the payee has got (source
-- 2) can be lacking, and has a share of the fee, once it was taken. A card that was asked for is named, and its bank asked while the refund is pending.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM refund
    WHERE state NOT BETWEEN 1 AND 4
        OR (state IN (1, 2)) <> (due_at IS NOT NULL)
        OR (state IN (3, 4)) <> (ended_at IS NOT NULL)
        OR (state = 4) <> (failure <> 0)
        OR (state = 2 AND source <> 2)
        OR (fee_share_minor <> 0 AND (source <> 2 OR state IN (2, 4)))
        OR fee_share_minor NOT BETWEEN 0 AND amount_minor
        OR (fee_kept_minor <> 0 AND (source <> 1 OR state <> 4))
        OR amount_minor <= 0
        OR (instrument_id IS NULL AND (destination = 2 OR fallback <> 0 OR attempts <> 0))
        OR (attempts > 0) <> (sent_at IS NOT NULL)
        OR (next_attempt_at IS NOT NULL) <> (state = 1 AND destination = 2)
        OR (instrument_id IS NOT NULL AND (destination = 2) <> (fallback = 0))
)
SELECT format(
    'refund %s of source %s is in state %s, but is due %s, ended %s and failed for reason %s, with %s of %s minor units of %s from the fee',
    id,
    source,
    state,
    coalesce(due_at::text, 'never'),
    coalesce(ended_at::text, 'never'),
    failure,
    fee_share_minor,
    amount_minor,
    currency
)
FROM broken
ORDER BY id
LIMIT 1
