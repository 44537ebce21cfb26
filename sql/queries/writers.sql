-- The transactions that may hold a seq of an event that is not committed yet: an INSERT, an UPDATE or a COPY takes this lock before its
-- first seq, and lets it go only after its transaction's end can be seen. Waits for nobody, and takes no transaction id.
-- `is_prepared`: a transaction that is prepared for a commit in two phases, which goes by another name from then on.
SELECT DISTINCT virtualtransaction AS writer, pid IS NULL AS is_prepared
FROM pg_locks
WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted AND relation = 'outbox.events'::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
