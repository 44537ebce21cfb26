-- Transactions that may hold the seq of an uncommitted event. An INSERT, UPDATE or COPY takes this lock before its first seq, and releases
-- it only after its transaction's end is visible. Waits for nobody, and takes no transaction id.
-- Whoever holds lanes is left out, a relay's batch above all: a floor moves only under its lane's lock, so what that transaction writes
-- there is committed and seen before. So is this transaction.
-- `is_prepared`: a transaction prepared for two-phase commit, which has another name from then on.
WITH locks AS MATERIALIZED (
    SELECT locktype, mode, relation, classid, objsubid, virtualtransaction, pid
    FROM pg_locks
    WHERE granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((locktype = 'relation' AND mode = 'RowExclusiveLock' AND relation = 'outbox.events'::regclass)
           OR (locktype = 'advisory' AND objsubid = 2 AND classid = (hashtext('outbox.lanes')::bigint & 4294967295)::oid))
)
SELECT DISTINCT virtualtransaction AS writer, pid IS NULL AS is_prepared
FROM locks l
WHERE locktype = 'relation' AND pid IS DISTINCT FROM pg_backend_pid()
  AND NOT EXISTS (SELECT FROM locks a WHERE a.locktype = 'advisory' AND a.virtualtransaction = l.virtualtransaction)
