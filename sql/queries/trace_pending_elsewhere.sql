-- Pending events of an aggregate that have another partition key. They lie in other lanes, so the first 500 events of every lane are
-- searched. Always at least one row; `capped` says that a lane has more.
-- $1 aggregate id, $2 limit.
WITH looked AS MATERIALIZED (
    SELECT e.id, e.seq, e.aggregate_id, e.partition_key, l.lane
    FROM outbox.lanes l
    CROSS JOIN LATERAL (
        SELECT p.id, p.seq, p.aggregate_id, p.partition_key
        FROM outbox.events p WHERE p.lane = l.lane AND p.published_at IS NULL ORDER BY p.seq LIMIT 500
    ) e
), found AS (
    SELECT id, seq, partition_key AS key FROM looked
    WHERE aggregate_id = $1 AND partition_key IS NOT NULL AND partition_key <> $1
    ORDER BY seq DESC
    LIMIT $2
)
SELECT c.capped, f.id, f.seq, outbox.readable(f.key) AS key
FROM (SELECT EXISTS (SELECT FROM looked GROUP BY lane HAVING count(*) >= 500) AS capped) c
LEFT JOIN found f ON true
