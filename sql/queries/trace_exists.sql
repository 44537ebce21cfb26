-- Whether an outbox knows a key or an event at all. Counts stop at 100.
-- $1 key, $2 event id or null.
SELECT (SELECT count(*) FROM (SELECT FROM outbox.events e
                              WHERE e.lane = (hashtextextended($1, 0) & 63)::smallint AND e.published_at IS NULL
                                AND coalesce(e.partition_key, e.aggregate_id) = $1 LIMIT 100) pending)
       + (SELECT count(*) FROM (SELECT FROM outbox.events WHERE aggregate_id = $1 AND published_at IS NOT NULL LIMIT 100) published)
       + (SELECT count(*) FROM (SELECT FROM outbox.dead_letters WHERE aggregate_id = $1 LIMIT 100) dead)
       + (SELECT count(*) FROM outbox.events WHERE id = $2)
       + (SELECT count(*) FROM (SELECT FROM outbox.dead_letters WHERE id = $2 LIMIT 100) dead_event) AS events
