-- A payment never holds, releases and returns more than was paid, nor less than nothing, and its fee is part of it.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM payment
    WHERE held_minor::numeric + released_minor + returned_minor > amount_minor
        OR least(held_minor, released_minor, returned_minor) < 0
        OR fee_minor NOT BETWEEN 0 AND amount_minor
)
SELECT format(
    'payment %s of %s minor units of %s holds %s, released %s, returned %s, with a fee of %s',
    id, amount_minor, currency, held_minor, released_minor, returned_minor, fee_minor
)
FROM broken
ORDER BY id
LIMIT 1
