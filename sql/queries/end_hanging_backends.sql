-- Ends backends of this role and program whose transaction is too old. The idle timeout does not cut off a relay that was frozen while it
-- was reading. Commands have their own limits, and a migration may take its time.
-- $1 prefix of the relay's application names, $2 seconds, $3 names of the commands, which follow the version.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
  AND starts_with(application_name, $1) AND split_part(application_name, '/', 3) <> ALL ($3::text[])
  AND xact_start < clock_timestamp() - $2::bigint * interval '1 second'
