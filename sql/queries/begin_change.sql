-- Opens one step of a command that changes something. Nobody holds a lane for longer than a batch, so waiting for a lane ends soon.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL statement_timeout = '20s';
SET LOCAL lock_timeout = '15s';
SET LOCAL idle_in_transaction_session_timeout = '10s';
SET LOCAL row_security = off
