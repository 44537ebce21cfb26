-- The database's time and version, this session's role, whether it may see what other sessions do, and whether the server takes writes. On
-- a standby, how old its last change is.
SELECT statement_timestamp() AS now, current_user::text AS role, current_database()::text AS database,
       current_setting('server_version') AS server_version,
       pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER') AS sees_sessions,
       pg_is_in_recovery() AS is_standby, current_setting('default_transaction_read_only')::boolean AS is_read_only,
       pg_last_xact_replay_timestamp() AS replayed_at
