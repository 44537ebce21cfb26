-- Claims an aggregate that has no row to lock, for this transaction; waits for another that has. `append` claims the same.
-- $1 aggregate id.
SELECT pg_advisory_xact_lock(hashtextextended($1::text, hashtextextended('outbox.append', 0)))
