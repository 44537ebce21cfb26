-- A transaction id newer than that of every transaction which has one, for the floors: each could hold a seq that was handed out before.
-- Not pg_snapshot_xmax: that is one past the latest that has ended, and a transaction that runs may have that very id.
SELECT pg_current_xact_id()::text
