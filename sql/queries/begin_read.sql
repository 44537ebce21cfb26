-- Opens a reading command's transaction: one snapshot, no change whatever runs in it, and an answer soon or none.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '60s';
SET LOCAL row_security = off
