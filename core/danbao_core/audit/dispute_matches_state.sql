-- What a dispute says of itself fits where it stands. It has ended (5, 6) at a time, and holds nothing then. SETTLED (5) has an outcome and
-- an award, of which the buyer got all: what was disputed (ACCEPTED 1, DEFAULT_JUDGMENT 3), the offer (2), or what an arbitrator awarded
-- (4); CLOSED (6) has a reason. DECIDED (4) has an award of somebody, and who decides after an appeal is another. Only a payment that
-- nobody authorized (reason 4) is compensated, and only after the release something is set aside, taken back of the fee, or owed.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM dispute
    WHERE (state IN (5, 6)) <> (ended_at IS NOT NULL)
        OR (state = 5) <> (outcome <> 0)
        OR (state = 6) <> (close_reason <> 0)
        OR (held_minor <> 0 AND (NOT released OR state IN (5, 6)))
        OR (state IN (4, 5) AND award_buyer_minor IS NULL)
        OR (state = 5 AND paid_back_minor <> award_buyer_minor)
        OR (state <> 5 AND (paid_back_minor <> 0 OR compensated_minor <> 0))
        OR (outcome IN (1, 3) AND award_buyer_minor <> amount_minor)
        OR (outcome = 2 AND award_buyer_minor IS DISTINCT FROM offer_minor)
        OR ((state = 4 OR outcome = 4) AND decided_by = '')
        OR (redecided_by <> '' AND (appealed_by = 0 OR redecided_by = decided_by OR state <> 5))
        OR (outcome = 4 AND appealed_by <> 0 AND redecided_by = '')
        OR (appealed_by <> 0 AND waived & (1 << (appealed_by - 1)) <> 0)
        OR coalesce(award_buyer_minor, 0) + award_compensation_minor > amount_minor
        OR (award_compensation_minor <> 0 AND (reason <> 4 OR decided_by = ''))
        OR compensated_minor NOT IN (0, award_compensation_minor)
        OR (NOT released AND (fee_returned_minor <> 0 OR owed_minor <> 0))
        OR owed_minor > paid_back_minor - fee_returned_minor
        OR (state = 3 AND evidence_until IS NULL)
)
SELECT format(
    'dispute %s of %s minor units of %s is %s with outcome %s and close reason %s, ended %s: offered %s, awarded %s and %s from the fund, '
    'paid back %s, compensated %s, holds %s, owes %s; decided by %L, appealed by %s, decided again by %L',
    id,
    amount_minor,
    currency,
    (ARRAY['AWAITING_SELLER', 'AWAITING_BUYER', 'UNDER_REVIEW', 'DECIDED', 'SETTLED', 'CLOSED'])[state],
    outcome,
    close_reason,
    coalesce(ended_at::text, 'never'),
    coalesce(offer_minor::text, 'nothing'),
    coalesce(award_buyer_minor::text, 'nothing'),
    award_compensation_minor,
    paid_back_minor,
    compensated_minor,
    held_minor,
    owed_minor,
    decided_by,
    appealed_by,
    redecided_by
)
FROM broken
ORDER BY id
LIMIT 1
