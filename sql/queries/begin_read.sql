-- Opens the transaction of a command that only reads: one snapshot, no changes, and a short limit.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '60s';
SET LOCAL row_security = off
