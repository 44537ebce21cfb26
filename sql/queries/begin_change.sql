-- Opens one step of a command that changes something. A lane is held for a batch at the longest, so waiting for it ends soon.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL statement_timeout = '20s';
SET LOCAL lock_timeout = '15s';
SET LOCAL idle_in_transaction_session_timeout = '10s';
SET LOCAL row_security = off
