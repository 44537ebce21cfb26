-- Transactions of this database that have been open for over 5 s, oldest first, including prepared ones but not the relays'. `hidden` counts
-- the sessions that this role may not see. Always at least one row.
SELECT a.pid, a.role, a.application_name, a.state, a.since, c.hidden
FROM (SELECT count(*) AS hidden FROM pg_stat_activity
      WHERE datname = current_database() AND backend_type IS NULL AND pid <> pg_backend_pid()) c
LEFT JOIN (
    SELECT pid, usename::text AS role, application_name, state, xact_start AS since
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < statement_timestamp() - interval '5 seconds'
      AND NOT starts_with(application_name, 'outbox-relay/')
    UNION ALL
    SELECT NULL, owner::text, 'prepared transaction ' || gid, 'prepared', prepared
    FROM pg_prepared_xacts
    WHERE database = current_database() AND prepared < statement_timestamp() - interval '5 seconds'
    ORDER BY 5
    LIMIT 20
) a ON true
