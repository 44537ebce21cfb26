-- Says when a job is due again, and how far it has come.
-- $1 name, $2 seconds from now, $3 progress.
UPDATE order_service.jobs
SET next_at = clock_timestamp() + make_interval(secs => $2::double precision), progress = $3::text
WHERE name = $1::text
RETURNING name
