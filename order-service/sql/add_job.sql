-- Has a job be due for the first time.
-- $1 name, $2 seconds from now.
INSERT INTO order_service.jobs (name, next_at)
VALUES ($1::text, now() + make_interval(secs => $2::double precision))
ON CONFLICT (name) DO NOTHING
