-- Deletes confirmed events, where published events are not kept. Whoever deletes them, it is true, and it is done only once.
-- Looks up by id, with a guard that no partial index can serve (see mark_published).
-- $1 event ids, sorted.
DELETE FROM outbox.events WHERE id = ANY($1::uuid[]) AND coalesce(published_at, 'infinity') = 'infinity'
