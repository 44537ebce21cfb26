-- Opens the transaction of all migrations, under a lock that ends with it. Several may start at once.
BEGIN;
SET LOCAL lock_timeout = '30s';
SELECT pg_advisory_xact_lock(hashtext('outbox.migrate'))
