-- When each slow job ran last, and where.
SELECT job, nullif(last_run_at, '-infinity') AS last_run_at, run_by FROM outbox.upkeep ORDER BY job
