-- What an account has set aside (purpose 2) is what is under way for it: what the authorizations (mode 3) that it pays hold, its
-- withdrawals (kind 2) that are pending (2) or of which nobody knows what the bank did (4), its part of pending refunds
-- (state 1) of what it has got (source 2), and what disputes of that set aside. Whatever else sets money aside, adds its rows to `reservation` with UNION ALL.
WITH reservation (account_id, currency, amount_minor) AS (
    SELECT payer_id, currency, held_minor
    FROM payment
    WHERE mode = 3
    UNION ALL
    SELECT account_id, currency, amount_minor
    FROM funding
    WHERE kind = 2 AND state IN (2, 4)
    UNION ALL
    SELECT payee_id, currency, amount_minor - fee_share_minor
    FROM refund
    WHERE source = 2 AND state = 1
    UNION ALL
    SELECT seller_id, currency, held_minor
    FROM dispute
    WHERE held_minor <> 0
), reserved AS (
    SELECT account_id, currency, sum(amount_minor) AS reserved_minor
    FROM reservation
    GROUP BY account_id, currency
), held AS (
    SELECT account_id, currency, sum(amount_minor) AS held_minor
    FROM balance
    WHERE purpose = 2
    GROUP BY account_id, currency
), broken AS MATERIALIZED (
    SELECT account_id, currency, coalesce(held_minor, 0) AS held_minor, coalesce(reserved_minor, 0) AS reserved_minor
    FROM held
    FULL JOIN reserved USING (account_id, currency)
    WHERE coalesce(held_minor, 0) <> coalesce(reserved_minor, 0)
)
SELECT format(
    'account %s has %s minor units of %s held, but %s are under way', account_id, held_minor, currency, reserved_minor
)
FROM broken
ORDER BY account_id, currency
LIMIT 1
