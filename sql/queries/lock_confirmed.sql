-- Locks pending events whose confirm came after their batch, so that nobody replays them before they are marked. Skips an event that was
-- replayed after its copy was sent. Looks up by id, with a guard that no partial index can serve (see mark_published).
-- Arrays of: $1 event, $2 the replay that its copy was sent for (null: none).
SELECT e.id
FROM unnest($1::uuid[], $2::uuid[]) AS c (event_id, replay_id)
JOIN outbox.events e ON e.id = c.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'
WHERE e.replay_id IS NOT DISTINCT FROM c.replay_id
ORDER BY e.id
FOR UPDATE OF e
