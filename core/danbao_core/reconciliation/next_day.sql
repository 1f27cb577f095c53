-- When the first card was bound, and business time.
SELECT
    (SELECT created_at FROM instrument ORDER BY id LIMIT 1) AS first_at,
    now() + make_interval(secs => clock_offset_seconds) AS time
FROM installation
WHERE id = 1
