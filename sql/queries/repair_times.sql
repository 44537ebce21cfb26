-- Sets right what a database clock that was ahead has left in the future: jobs, waits and probes that would not be due for as long as it
-- was ahead. Answers how many of each.
-- $1 milliseconds of the longest pause that a relay ever asks for, $2 waits at most.
WITH jobs AS (
    UPDATE outbox.upkeep SET last_run_at = '-infinity' WHERE last_run_at > clock_timestamp() + interval '5 seconds' RETURNING job
), parked AS MATERIALIZED (
    SELECT w.key
    FROM outbox.lanes l
    CROSS JOIN LATERAL (SELECT key FROM outbox.waits
                        WHERE lane = l.lane AND until > statement_timestamp() + $1::bigint * interval '1 millisecond' AND until < 'infinity'
                        LIMIT $2) w
    LIMIT $2
), waits AS (
    UPDATE outbox.waits w SET until = clock_timestamp() FROM parked WHERE w.key = parked.key RETURNING w.key
), probes AS (
    UPDATE outbox.holds SET next_probe_at = clock_timestamp()
    WHERE kind <> 'operator' AND next_probe_at > statement_timestamp() + $1::bigint * interval '1 millisecond' AND isfinite(next_probe_at)
    RETURNING id
)
SELECT (SELECT count(*) FROM jobs) AS jobs, (SELECT count(*) FROM waits) AS waits, (SELECT count(*) FROM probes) AS probes
