-- For each currency the settled dispute (state 5) that has waited longest for its compensation, where one waits.
SELECT k.currency, waiting.id AS dispute_id
FROM unnest($1::text[]) AS k (currency)
CROSS JOIN LATERAL (
    SELECT id
    FROM dispute
    WHERE compensated_minor < award_compensation_minor AND state = 5 AND dispute.currency = k.currency
    ORDER BY ended_at, id
    LIMIT 1
) AS waiting
