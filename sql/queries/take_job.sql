-- Elects this replica for one run of a slow job: at most one run per interval among all replicas. The replica that ran last keeps the job
-- unless it is half an interval late. It keeps its own time, because the full interval could make it miss its turn by a millisecond.
-- $1 job, $2 interval in milliseconds, $3 this replica.
UPDATE outbox.upkeep SET last_run_at = clock_timestamp(), run_by = $3
WHERE job = $1
  AND last_run_at <= clock_timestamp() - CASE WHEN run_by = $3 THEN 0.5 ELSE 1.5 END * $2::bigint * interval '1 millisecond'
