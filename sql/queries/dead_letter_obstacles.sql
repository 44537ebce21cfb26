-- Why these dead letters could not be replayed.
-- $1 dead-letter ids.
SELECT d.dead_letter_id, d.id, d.resolution, EXISTS (SELECT FROM outbox.events e WHERE e.id = d.id) AS is_event
FROM outbox.dead_letters d
WHERE d.dead_letter_id = ANY($1::bigint[])
ORDER BY d.dead_letter_id
