-- A page of dead letters, newest first, without their bodies.
-- $1 only open ones, $2 queue or null, $3 only ids below this one, $4 how many.
SELECT id, queue, routing_key, message_id, failure_reason, detail, attempts, body_bytes, is_whole,
       to_char(dead_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       to_char(processed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), resolution, resolved_by, note
FROM order_service.dead_letters
WHERE (NOT $1::boolean OR processed_at IS NULL) AND ($2::text IS NULL OR queue = $2::text) AND id < $3::bigint
ORDER BY id DESC
LIMIT $4::bigint
