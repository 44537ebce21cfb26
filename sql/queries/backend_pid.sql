-- Which server process serves this statement: a pooler in transaction mode changes it.
SELECT pg_backend_pid()
