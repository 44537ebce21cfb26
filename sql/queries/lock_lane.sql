-- Locks a lane for this transaction; waits for the batch that holds it.
-- $1 lane.
SELECT pg_advisory_xact_lock(hashtext('outbox.lanes'), $1)
