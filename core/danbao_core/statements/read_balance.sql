-- How many entries a balance has, and the business time.
SELECT
    balance.version,
    now() + make_interval(secs => installation.clock_offset_seconds) AS time
FROM installation
JOIN balance ON balance.id = $1
