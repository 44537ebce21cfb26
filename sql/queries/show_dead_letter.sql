-- Every dead letter of one event, newest first, or only the one with a dead letter's id. Reads the payload's column only if asked for. The
-- original event holds the payload too, because JSON functions refuse the \u0000 that a payload may have.
-- $1 event id (null: none), $2 dead-letter id (null: none), $3 whether to return the payload.
SELECT d.dead_letter_id, d.id, d.seq, coalesce(d.partition_key, d.aggregate_id) AS key, d.aggregate_type, d.aggregate_id,
       d.event_type, d.failure_reason, d.last_error, d.attempts, d.routes_confirmed, d.routes_failed,
       octet_length(d.payload::text) AS payload_bytes, CASE WHEN $3::boolean THEN d.payload::text END AS payload,
       d.original_event::text AS original_event,
       d.replay_id, d.correlation_id,
       CASE WHEN d.created_at >= '0001-01-01Z' AND d.created_at < '9999-12-31Z' THEN d.created_at END AS created_at,
       d.dead_lettered_at, d.processed_at, d.resolution, d.resolved_by, d.note
FROM outbox.dead_letters d
WHERE d.id = $1::text::uuid OR d.dead_letter_id = $2
ORDER BY d.dead_letter_id DESC
LIMIT 20
