-- Dead letters counted by reason, type and the routes that failed, the largest group first. A null filter matches everything; counting stops.
-- $1 aggregate id, $2 event type, $3 route that failed, $4 reason, $5 dead-lettered since, $6 dead-lettered before.
-- $7 whether to include resolved ones, $8 where counting stops.
SELECT failure_reason, event_type, routes_failed, count(*) AS dead_letters, min(dead_lettered_at) AS oldest_at, max(dead_lettered_at) AS newest_at
FROM (
    SELECT d.failure_reason, left(d.event_type, 255) AS event_type, d.routes_failed, d.dead_lettered_at
    FROM outbox.dead_letters d
    WHERE ($7::boolean OR d.processed_at IS NULL)
      AND ($1::text IS NULL OR d.aggregate_id = $1)
      AND ($2::text IS NULL OR d.event_type = $2)
      AND ($3::text IS NULL OR $3 = ANY(d.routes_failed))
      AND ($4::text IS NULL OR d.failure_reason = $4)
      AND d.dead_lettered_at >= coalesce($5::text::timestamptz, '-infinity')
      AND d.dead_lettered_at < coalesce($6::text::timestamptz, 'infinity')
    ORDER BY d.dead_lettered_at DESC
    LIMIT $8
) chosen
GROUP BY failure_reason, event_type, routes_failed
ORDER BY count(*) DESC, failure_reason, event_type, routes_failed
