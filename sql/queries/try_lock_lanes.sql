-- Locks for this transaction those of the lanes that nobody holds. Never waits: a statement that waits keeps its snapshot, so that claims
-- walk every dead index entry again and again (measured: half of what a claim of lanes read).
-- $1 lanes.
SELECT lane FROM unnest($1::smallint[]) AS lane WHERE pg_try_advisory_xact_lock(hashtext('outbox.lanes'), lane)
