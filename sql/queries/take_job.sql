-- Elects this replica for one run of a slow job: at most one run per interval among all replicas, and the one that ran last goes on
-- unless it is half an interval late.
-- $1 job, $2 interval in milliseconds, $3 this replica.
UPDATE outbox.upkeep SET last_run_at = clock_timestamp(), run_by = $3
WHERE job = $1
  AND last_run_at <= clock_timestamp() - CASE WHEN run_by = $3 THEN 1.0 ELSE 1.5 END * $2::bigint * interval '1 millisecond'
