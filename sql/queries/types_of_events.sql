-- The types of published events.
-- $1 event ids.
SELECT DISTINCT event_type FROM outbox.events WHERE id = ANY($1::uuid[]) ORDER BY event_type LIMIT 10000
