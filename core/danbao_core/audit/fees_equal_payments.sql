-- What the platform earned (purpose 12, over all stripes) is the fees of the payments that succeeded (states 4 and 5).
WITH earned AS (
    SELECT currency, sum(amount_minor) AS earned_minor
    FROM balance
    WHERE purpose = 12
    GROUP BY currency
), charged AS (
    SELECT currency, sum(fee_minor) AS charged_minor
    FROM payment
    WHERE state IN (4, 5)
    GROUP BY currency
), broken AS MATERIALIZED (
    SELECT currency, coalesce(earned_minor, 0) AS earned_minor, coalesce(charged_minor, 0) AS charged_minor
    FROM earned
    FULL JOIN charged USING (currency)
    WHERE coalesce(earned_minor, 0) <> coalesce(charged_minor, 0)
)
SELECT format(
    'fees in %s are %s minor units, but those of the payments that succeeded are %s', currency, earned_minor, charged_minor
)
FROM broken
ORDER BY currency
LIMIT 1
