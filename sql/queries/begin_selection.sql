-- Opens the reading step of a command that changes many rows. It may walk the whole table once, and changes nothing.
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
SET LOCAL statement_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '10s';
SET LOCAL row_security = off
