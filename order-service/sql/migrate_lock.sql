-- One migration at a time, however many instances start at once: until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('order_service.migrate', 0))
