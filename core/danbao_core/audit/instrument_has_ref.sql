-- A card that is bound is found by its number.
WITH broken AS MATERIALIZED (
    SELECT instrument.id
    FROM instrument
    LEFT JOIN (SELECT DISTINCT instrument_id FROM instrument_ref) AS found ON found.instrument_id = instrument.id
    WHERE instrument.unbound_at IS NULL AND found.instrument_id IS NULL
)
SELECT format('instrument %s is bound, and no number leads to it', id)
FROM broken
ORDER BY id
LIMIT 1
