-- Transactions that may hold the seq of an uncommitted event. An INSERT, UPDATE or COPY takes this lock before its first seq, and releases
-- it only after its transaction's end is visible. Waits for nobody, and takes no transaction id.
-- `is_prepared`: a transaction prepared for two-phase commit, which has another name from then on.
SELECT DISTINCT virtualtransaction AS writer, pid IS NULL AS is_prepared
FROM pg_locks
WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted AND relation = 'outbox.events'::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
