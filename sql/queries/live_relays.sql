-- Relays that are connected to this database, by their application names. Only members of a session's role and of pg_read_all_stats can see
-- what the session does; others get nulls.
-- $1 third parts of application names that are commands and not hosts.
SELECT application_name AS name, count(*) AS backends, min(backend_start) AS since,
       bool_or(state IS NULL) AS is_hidden, count(*) FILTER (WHERE state = 'active') AS active,
       min(xact_start) AS oldest_transaction, coalesce(bool_or(query LIKE 'LISTEN %'), false) AS listens,
       statement_timestamp() AS now
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND starts_with(application_name, 'outbox-relay/')
  AND split_part(application_name, '/', 3) <> ALL ($1::text[])
GROUP BY application_name
ORDER BY application_name
LIMIT 200
