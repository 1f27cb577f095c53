-- What the platform keeps for owners who could not take it (purpose 15, over all stripes) is the open items (state 1).
WITH kept AS (
    SELECT currency, sum(amount_minor) AS kept_minor
    FROM balance
    WHERE purpose = 15
    GROUP BY currency
), item AS (
    SELECT currency, sum(amount_minor) AS open_minor
    FROM open_item
    WHERE state = 1
    GROUP BY currency
), broken AS MATERIALIZED (
    SELECT currency, coalesce(kept_minor, 0) AS kept_minor, coalesce(open_minor, 0) AS open_minor
    FROM kept
    FULL JOIN item USING (currency)
    WHERE coalesce(kept_minor, 0) <> coalesce(open_minor, 0)
)
SELECT format('suspense in %s is %s minor units, but the open items are %s', currency, kept_minor, open_minor)
FROM broken
ORDER BY currency
LIMIT 1
