-- Every dead letter of one event, newest first, or only the one with a dead letter's id. Reads the payload's text only if asked for. The
-- original event is put together from the columns, without the payload; long texts are cut, and headers over 128 KiB left out.
-- $1 event id (null: none), $2 dead-letter id (null: none), $3 whether to return the payload.
SELECT d.dead_letter_id, d.id, d.seq, outbox.readable(coalesce(d.partition_key, d.aggregate_id)) AS key,
       outbox.readable(d.aggregate_type) AS aggregate_type, outbox.readable(d.aggregate_id) AS aggregate_id,
       outbox.readable(d.event_type) AS event_type, d.failure_reason, d.last_error, d.attempts, d.routes_confirmed, d.routes_failed,
       octet_length(d.payload::text) AS payload_bytes, CASE WHEN $3::boolean THEN outbox.readable(d.payload::text) END AS payload,
       (SELECT row_to_json(o)::text
        FROM (SELECT d.id, d.seq, outbox.readable(d.aggregate_type) AS aggregate_type, outbox.readable(d.aggregate_id) AS aggregate_id,
                     outbox.readable(d.event_type) AS event_type, outbox.readable(d.partition_key) AS partition_key,
                     outbox.readable(d.event_version) AS event_version,
                     CASE WHEN pg_column_size(d.headers) <= 131072 AND outbox.readable(d.headers::text) = d.headers::text THEN d.headers END AS headers,
                     outbox.readable(left(d.correlation_id, 1024)) AS correlation_id, d.created_at, d.lane, d.replay_id, d.only_routes) o
       ) AS original_event,
       d.replay_id, outbox.readable(left(d.correlation_id, 1024)) AS correlation_id,
       CASE WHEN d.created_at >= '0001-01-01Z' AND d.created_at < '9999-12-31Z' THEN d.created_at END AS created_at,
       d.dead_lettered_at, d.processed_at, d.resolution, d.resolved_by, d.note
FROM outbox.dead_letters d
WHERE d.id = $1::text::uuid OR d.dead_letter_id = $2
ORDER BY d.dead_letter_id DESC
LIMIT 20
