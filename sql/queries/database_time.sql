-- The database's time, so long ago.
-- $1 seconds.
SELECT (clock_timestamp() - $1::bigint * interval '1 second')::text
