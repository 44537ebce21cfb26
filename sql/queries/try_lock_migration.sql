-- Takes the lock of the migrations if it is free; it ends with the transaction.
SELECT pg_try_advisory_xact_lock(hashtext('outbox.migrate'))
