-- How far the floors are behind, whether the notify trigger exists, what vacuum has left to do, and the schema's version.
SELECT (SELECT CASE WHEN s.is_called THEN s.last_value + 1 ELSE s.last_value END FROM outbox.events_seq_seq s)
           - (SELECT min(floor) FROM outbox.lanes) AS floors_behind,
       EXISTS (SELECT FROM pg_trigger
               WHERE tgrelid = 'outbox.events'::regclass AND NOT tgisinternal AND tgname = 'notify_relays' AND tgenabled <> 'D') AS has_trigger,
       (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'outbox.events'::regclass) AS dead_rows,
       (SELECT last_autovacuum FROM pg_stat_user_tables WHERE relid = 'outbox.events'::regclass) AS last_autovacuum,
       (SELECT max(version) FROM outbox.schema_version) AS schema_version
