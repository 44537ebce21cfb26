-- How many of these events are still pending: none, once they are marked.
-- $1 event ids.
SELECT count(*) FROM outbox.events WHERE id = ANY($1::uuid[]) AND coalesce(published_at, 'infinity') = 'infinity'
