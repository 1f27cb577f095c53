UPDATE webhook_health
SET leased_until = now() + make_interval(secs => $3)
WHERE
    endpoint_id = ANY ($1::uuid[])
    AND leased_by = $2
