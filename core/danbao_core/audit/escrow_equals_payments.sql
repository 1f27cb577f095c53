-- What is in escrow (purpose 11, over all stripes) is what the payments of escrow mode (1) hold, refunds of it included.
WITH escrow AS (
    SELECT currency, sum(amount_minor) AS escrow_minor
    FROM balance
    WHERE purpose = 11
    GROUP BY currency
), held AS (
    SELECT currency, sum(held_minor) AS held_minor
    FROM payment
    WHERE mode = 1
    GROUP BY currency
), broken AS MATERIALIZED (
    SELECT currency, coalesce(escrow_minor, 0) AS escrow_minor, coalesce(held_minor, 0) AS held_minor
    FROM escrow
    FULL JOIN held USING (currency)
    WHERE coalesce(escrow_minor, 0) <> coalesce(held_minor, 0)
)
SELECT format('escrow in %s is %s minor units, but the payments hold %s', currency, escrow_minor, held_minor)
FROM broken
ORDER BY currency
LIMIT 1
