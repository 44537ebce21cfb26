-- Removes the outbox and every event in it.
DROP SCHEMA outbox CASCADE;
