-- One dead letter, with its body.
-- $1 id.
SELECT id, queue, routing_key, message_id, failure_reason, detail, attempts, body_bytes, is_whole,
       to_char(dead_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       to_char(processed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), resolution, resolved_by, note,
       original_event, encoding
FROM order_service.dead_letters
WHERE id = $1::bigint
