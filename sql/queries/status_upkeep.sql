-- When each slow job last ran, and where.
SELECT job, nullif(last_run_at, '-infinity') AS last_run_at, run_by FROM outbox.upkeep ORDER BY job
