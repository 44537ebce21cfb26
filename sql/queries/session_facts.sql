-- The database's time and version, this session's role, and whether it may see what other sessions do.
SELECT statement_timestamp() AS now, current_user::text AS role, current_database()::text AS database,
       current_setting('server_version') AS server_version,
       pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER') AS sees_sessions
