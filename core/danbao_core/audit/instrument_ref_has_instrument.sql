-- A card's number leads to a card.
WITH broken AS MATERIALIZED (
    SELECT instrument_ref.instrument_id
    FROM instrument_ref
    LEFT JOIN instrument ON instrument.id = instrument_ref.instrument_id
    WHERE instrument.id IS NULL
)
SELECT format('a card number leads to instrument %s, which is missing', instrument_id)
FROM broken
ORDER BY instrument_id
LIMIT 1
