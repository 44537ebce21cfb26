-- Locks lanes for this transaction, in the order of the array; waits for the batches that hold them.
-- $1 lanes, ascending.
SELECT pg_advisory_xact_lock(hashtext('outbox.lanes'), lane) FROM unnest($1::smallint[]) AS lane
