-- Events stand under positions without gaps, from the first that is not forgotten to the last that was given: who reads on from a
-- position would miss what came into a gap later.
SELECT format('events are kept from position %s to %s, and %s of them are there', forgotten_position + 1, last_position, kept)
FROM event_log
CROSS JOIN (SELECT count(*) AS kept, min(position) AS first, max(position) AS last FROM event) AS counted
WHERE
    kept <> last_position - forgotten_position
    OR (kept > 0 AND (first, last) <> (forgotten_position + 1, last_position))
LIMIT 1
