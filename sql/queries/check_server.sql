-- Facts about the server and this role, for `check`.
SELECT current_setting('server_version_num')::integer AS version_number, current_setting('server_version') AS version,
       current_user::text AS role, r.rolsuper AS is_superuser, r.rolbypassrls AS bypasses_policies, r.rolconnlimit AS role_connections,
       CASE WHEN isfinite(r.rolvaliduntil) THEN extract(epoch FROM r.rolvaliduntil - statement_timestamp())::bigint END AS password_seconds,
       getdatabaseencoding()::text AS encoding, pg_is_in_recovery() AS is_standby, current_setting('default_transaction_read_only')::boolean AS is_read_only,
       coalesce((SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()), false) AS is_tls,
       coalesce(nullif(current_setting('idle_session_timeout', true), ''), '0') AS idle_session_timeout,
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS connections_max,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' OR backend_type IS NULL) AS connections_used
FROM pg_roles r
WHERE r.rolname = current_user
