-- Waits on the server, so that the writer needs no timer of any runtime.
-- $1 seconds.
SELECT pg_sleep($1::float8)
