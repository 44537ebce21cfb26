-- Which transactions are over: as long as it is the same, nothing was committed.
SELECT pg_current_snapshot()::text
