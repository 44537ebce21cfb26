-- Sessions that are no relay's and hold the advisory locks of a relay: of lanes, of probes or of the migration. Any role that may connect
-- can take them. Since when the transaction is open is only visible to members of its role and of pg_read_all_stats.
WITH lock AS (
    SELECT pid,
           CASE WHEN objsubid = 1 THEN 'migration' WHEN classid = (hashtext('outbox.lanes')::bigint & 4294967295)::oid THEN 'lanes' ELSE 'probes' END AS what
    FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((objsubid = 2 AND classid IN ((hashtext('outbox.lanes')::bigint & 4294967295)::oid, (hashtext('outbox.holds')::bigint & 4294967295)::oid))
           OR (objsubid = 1 AND classid = ((hashtext('outbox.migrate')::bigint >> 32) & 4294967295)::oid
               AND objid = (hashtext('outbox.migrate')::bigint & 4294967295)::oid))
)
SELECT l.pid, l.what, count(*) AS locks, a.usename::text AS role, a.application_name, min(a.xact_start) AS since
FROM lock l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE NOT coalesce(starts_with(a.application_name, 'outbox-relay/'), false)
GROUP BY l.pid, l.what, a.usename, a.application_name
ORDER BY l.pid, l.what
LIMIT 20
