-- What an entry says is left is what the entry before it left, plus its own amount. Numeric, so that no sum overflows.
WITH running AS (
    SELECT
        balance_id,
        version,
        amount_minor,
        balance_after_minor,
        lag(balance_after_minor, 1, 0::bigint) OVER (PARTITION BY balance_id ORDER BY version) AS before_minor
    FROM entry
), broken AS MATERIALIZED (
    SELECT *
    FROM running
    WHERE before_minor::numeric + amount_minor <> balance_after_minor
)
SELECT format(
    'entry %s of balance %s leaves %s minor units, although %s were there and it moves %s',
    version, balance_id, balance_after_minor, before_minor, amount_minor
)
FROM broken
ORDER BY balance_id, version
LIMIT 1
