-- Waits for the lock of the migrations.
SELECT pg_advisory_xact_lock(hashtext('outbox.migrate'))
