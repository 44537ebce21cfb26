-- The server process that serves this statement. Behind a pooler in transaction mode it changes.
SELECT pg_backend_pid()
