SELECT
    now() + make_interval(secs => clock_offset_seconds) AS time,
    clock_offset_seconds AS offset_seconds
FROM installation
