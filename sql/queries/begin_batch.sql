-- Opens a batch. Fails at once on a standby. Other isolation levels would show published rows as pending. Every limit is set, so that a
-- frozen relay loses its lanes.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL idle_in_transaction_session_timeout = '10s';
SET LOCAL statement_timeout = '5s';
SET LOCAL lock_timeout = '2s';
SET LOCAL tcp_user_timeout = '10s';
SET LOCAL row_security = off;
-- Statements take a few milliseconds, but their estimated costs may be high enough to have them compiled.
SET LOCAL jit = off;
-- On 17 and later a server may limit how long a transaction lasts; one that waits for confirms has limits of its own.
SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('transaction_timeout', true) IS NOT NULL
