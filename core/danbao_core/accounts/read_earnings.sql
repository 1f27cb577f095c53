-- For each currency what the platform earned (purpose 12, over all stripes), less the shares of it that refunds under way (pending:
-- 1) are to give back.
SELECT
    k.currency,
    least(
        coalesce((
            SELECT sum(amount_minor)
            FROM balance
            WHERE account_id = '00000000-0000-8000-8000-00000000da0b' AND purpose = 12 AND balance.currency = k.currency
        ), 0)
        - coalesce((
            SELECT sum(fee_share_minor)
            FROM refund
            WHERE due_at IS NOT NULL AND state = 1 AND refund.currency = k.currency
        ), 0),
        9223372036854775807
    )::bigint
FROM unnest($1::text[]) AS k (currency)
