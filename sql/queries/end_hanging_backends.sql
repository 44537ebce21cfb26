-- Ends backends of this role and program whose transaction is too old: a relay that was frozen while it was reading is
-- not cut off by the idle timeout. The program's commands have limits of their own, and a migration may take its time.
-- $1 prefix of the relay's application names, $2 seconds, $3 names of the commands, which stand after the version.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
  AND starts_with(application_name, $1) AND split_part(application_name, '/', 3) <> ALL ($3::text[])
  AND xact_start < clock_timestamp() - $2::bigint * interval '1 second'
