SELECT *
FROM dispute
WHERE
    compensated_minor < award_compensation_minor
    AND state = 5
    AND id < $1
ORDER BY id DESC
LIMIT $3
