-- The next hold whose probe is due, locked for this transaction so that one replica probes at a time.
WITH due AS MATERIALIZED (
    SELECT id, probes, kind FROM outbox.holds
    WHERE kind <> 'operator' AND next_probe_at <= statement_timestamp()
    ORDER BY next_probe_at
    LIMIT 64
)
SELECT id, probes, kind
FROM due
WHERE pg_try_advisory_xact_lock(hashtext('outbox.holds'), (id % 2147483647)::integer)
LIMIT 1
