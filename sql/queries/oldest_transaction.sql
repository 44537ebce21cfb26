-- The oldest transaction on the server that this role can see. Floors and vacuum wait for it.
SELECT pid, usename::text AS role, application_name, datname::text AS database, state, xact_start AS since
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND xact_start IS NOT NULL AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
ORDER BY xact_start
LIMIT 1
