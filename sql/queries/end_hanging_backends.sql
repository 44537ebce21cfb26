-- Ends backends of this role and program whose transaction is too old: a relay that was frozen while it was reading is
-- not cut off by the idle timeout. A migration may take its time.
-- $1 prefix of the relay's application names, $2 seconds.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
  AND starts_with(application_name, $1) AND application_name !~ '/migrate$'
  AND xact_start < clock_timestamp() - $2::bigint * interval '1 second'
