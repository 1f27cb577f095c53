-- No balance is under its floor; what is available or held (1, 2) or in the fund for losses (14) never goes under 0, what is owed
-- (3) never above it. The others may be anything that fits.
WITH broken AS MATERIALIZED (
    SELECT
        *,
        CASE
            WHEN amount_minor < floor_minor
                THEN format('is %s minor units of %s, under its floor of %s', amount_minor, currency, floor_minor)
            WHEN purpose = 3 AND amount_minor > 0
                THEN format('owes %s minor units of %s, which should not be above 0', amount_minor, currency)
            ELSE format('has the floor %s, which its purpose %s does not allow', floor_minor, purpose)
        END AS breach
    FROM balance
    WHERE amount_minor < floor_minor
        OR (purpose = 3 AND amount_minor > 0)
        OR floor_minor <> CASE
            WHEN purpose IN (1, 2, 14) THEN 0
            WHEN purpose = 3 THEN -9223372036854775807
            ELSE -9223372036854775808
        END
)
SELECT format('balance %s %s', id, breach)
FROM broken
ORDER BY id
LIMIT 1
