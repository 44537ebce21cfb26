-- Elects this replica for one run of each of these slow jobs: at most one run of a job per interval among all replicas. The replica that ran
-- a job last keeps it unless it is half an interval late. It keeps its own time, because the full interval could make it miss its turn by a
-- millisecond. A job that another replica is electing itself for is left to that one, so that no two wait for each other.
-- $1 jobs, $2 their intervals in milliseconds, $3 this replica. Answers the jobs that it is elected for.
WITH due AS MATERIALIZED (
    SELECT u.job
    FROM unnest($1::text[], $2::bigint[]) AS asked (job, interval_ms)
    JOIN outbox.upkeep u ON u.job = asked.job
    WHERE u.last_run_at <= clock_timestamp() - CASE WHEN u.run_by = $3 THEN 0.5 ELSE 1.5 END * asked.interval_ms * interval '1 millisecond'
    FOR UPDATE OF u SKIP LOCKED
)
UPDATE outbox.upkeep u SET last_run_at = clock_timestamp(), run_by = $3 FROM due WHERE u.job = due.job RETURNING u.job
