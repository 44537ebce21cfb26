-- The database's time, minus a duration.
-- $1 seconds.
SELECT (clock_timestamp() - $1::bigint * interval '1 second')::text
