-- Why these dead letters could not be replayed. `is_too_large`: the events table does not take what version 1 of it took.
-- $1 dead-letter ids.
SELECT d.dead_letter_id, d.id, d.resolution, EXISTS (SELECT FROM outbox.events e WHERE e.id = d.id) AS is_event,
       pg_column_size(d.payload) > 536870916 OR coalesce(octet_length(d.headers::text), 0) > 262144
           OR coalesce(octet_length(d.correlation_id), 0) > 1024 AS is_too_large
FROM outbox.dead_letters d
WHERE d.dead_letter_id = ANY($1::bigint[])
ORDER BY d.dead_letter_id
