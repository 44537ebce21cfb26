-- Forgets a relay that stops, and those that have said nothing for an hour: they were killed.
-- $1 the process that stops (null: none does).
DELETE FROM outbox.relays WHERE id = $1 OR seen_at < clock_timestamp() - interval '1 hour'
