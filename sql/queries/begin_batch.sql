-- Opens a batch: fails at once on a standby; other isolation levels would show published rows as pending; bounded in every way,
-- so that a frozen relay loses its lanes.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL idle_in_transaction_session_timeout = '10s';
SET LOCAL statement_timeout = '5s';
SET LOCAL lock_timeout = '2s';
SET LOCAL tcp_user_timeout = '10s';
SET LOCAL row_security = off;
-- Statements of a few milliseconds, whose estimated costs may be far above what has them compiled.
SET LOCAL jit = off
