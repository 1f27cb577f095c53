-- Fees that were paid out (an approved proposal, state 2, with its journal) left their account by a withdrawal (kind 2) of the same
-- commit: the same account, amount, currency and card, asked for by the same request.
WITH paid AS (
    SELECT
        proposal.id,
        (proposal.terms ->> 'account_id')::uuid AS account_id,
        proposal.terms -> 'amount' ->> 'currency' AS currency,
        (proposal.terms -> 'amount' ->> 'amount_minor')::numeric AS amount_minor,
        (proposal.terms ->> 'instrument_id')::uuid AS instrument_id,
        journal.caller,
        journal.request_id,
        journal.created_at
    FROM proposal
    JOIN journal ON journal.subject_id = proposal.id AND journal.kind = 'proposal.pay_out_fees'
    WHERE proposal.state = 2
), withdrawn AS (
    SELECT funding.*, journal.caller, journal.request_id, journal.created_at AS booked_at
    FROM funding
    JOIN journal ON journal.subject_id = funding.id AND journal.kind = 'funding.withdraw'
    WHERE funding.kind = 2
), broken AS MATERIALIZED (
    SELECT paid.*
    FROM paid
    LEFT JOIN withdrawn
        ON withdrawn.account_id = paid.account_id
        AND withdrawn.caller = paid.caller
        AND withdrawn.request_id = paid.request_id
        AND withdrawn.booked_at = paid.created_at
        AND withdrawn.amount_minor = paid.amount_minor
        AND withdrawn.currency = paid.currency
        AND withdrawn.instrument_id IS NOT DISTINCT FROM paid.instrument_id
    WHERE withdrawn.id IS NULL
)
SELECT format('proposal %s paid out %s minor units of %s of fees, of which there is no withdrawal', id, amount_minor, currency)
FROM broken
ORDER BY id
LIMIT 1
