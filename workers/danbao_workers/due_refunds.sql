-- Refunds whose money is set aside for a wallet (destination 1), those that have awaited funds (state 2) for too long, and of each
-- payee, in each currency, the oldest that awaits funds, where the payee has its part of it now.
(
    SELECT id, version AS mark, extract(epoch FROM $1 - due_at)::float8 AS late_seconds
    FROM refund
    WHERE due_at <= $1 AND (destination = 1 OR state = 2)
    ORDER BY due_at
    LIMIT $2
)
UNION ALL
(
    SELECT oldest.id, oldest.version, 0
    FROM (
        SELECT DISTINCT ON (payee_id, currency) *
        FROM refund
        WHERE state = 2
        ORDER BY payee_id, currency, id
    ) AS oldest
    JOIN payment ON payment.id = oldest.payment_id
    JOIN balance
        ON balance.account_id = oldest.payee_id AND balance.currency = oldest.currency AND balance.purpose = 1
    WHERE oldest.due_at > $1
        AND balance.amount_minor >= oldest.amount_minor - least(
            oldest.amount_minor,
            greatest(
                0,
                div(
                    payment.fee_minor * (payment.refund_taken_minor + oldest.amount_minor)::numeric,
                    payment.released_minor
                ) - payment.fee_returned_minor
            )
        )
    LIMIT $2
)
