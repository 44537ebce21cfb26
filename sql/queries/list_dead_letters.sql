-- Dead letters, newest first. A null filter matches everything.
-- $1 aggregate id, $2 event type, $3 route that failed, $4 reason, $5 dead-lettered since, $6 dead-lettered before.
-- $7 whether to include resolved ones, $8 limit.
SELECT d.dead_letter_id, d.id, d.seq, outbox.readable(coalesce(d.partition_key, d.aggregate_id)) AS key,
       outbox.readable(d.aggregate_type) AS aggregate_type, outbox.readable(d.aggregate_id) AS aggregate_id,
       outbox.readable(left(d.event_type, 255)) AS event_type, outbox.readable(left(d.correlation_id, 256)) AS correlation_id,
       CASE WHEN d.created_at >= '0001-01-01Z' AND d.created_at < '9999-12-31Z' THEN d.created_at END AS created_at, d.replay_id, d.failure_reason,
       left(d.last_error, 200) AS last_error, d.attempts, d.routes_confirmed, d.routes_failed,
       d.dead_lettered_at, d.processed_at, d.resolution, d.resolved_by, d.note
FROM outbox.dead_letters d
WHERE ($7::boolean OR d.processed_at IS NULL)
  AND ($1::text IS NULL OR d.aggregate_id = $1)
  AND ($2::text IS NULL OR d.event_type = $2)
  AND ($3::text IS NULL OR $3 = ANY(d.routes_failed))
  AND ($4::text IS NULL OR d.failure_reason = $4)
  AND d.dead_lettered_at >= coalesce($5::text::timestamptz, '-infinity')
  AND d.dead_lettered_at < coalesce($6::text::timestamptz, 'infinity')
ORDER BY d.dead_lettered_at DESC, d.dead_letter_id DESC
LIMIT $8
