-- How many of these events are still pending: after their marks there must be none.
-- $1 event ids.
SELECT count(*) FROM outbox.events WHERE id = ANY($1::uuid[]) AND coalesce(published_at, 'infinity') = 'infinity'
