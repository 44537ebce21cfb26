-- The gauges, with counts that are capped so that a backlog of millions does not make every look cost a scan.
-- $1 the cap.
SELECT (SELECT count(*) FROM (SELECT FROM outbox.events WHERE published_at IS NULL LIMIT $1) capped) AS pending,
       coalesce(extract(epoch FROM clock_timestamp() - (
           SELECT min(head.created_at)
           FROM outbox.lanes l
           CROSS JOIN LATERAL (SELECT e.created_at, e.id FROM outbox.events e
                               WHERE e.lane = l.lane AND e.published_at IS NULL
                                 AND (SELECT true FROM outbox.waits w
                                      WHERE w.key = coalesce(e.partition_key, e.aggregate_id) AND w.reason = 'retry') IS NULL
                               ORDER BY e.seq LIMIT 1) head
       )), 0)::double precision AS oldest_pending_age_seconds,
       (SELECT count(*) FROM (SELECT FROM outbox.waits LIMIT $1) capped) AS blocked_keys,
       (SELECT count(*) FROM (SELECT FROM outbox.dead_letters WHERE processed_at IS NULL LIMIT $1) capped) AS dead_letters
