-- Moves the floor of a lane up to an earlier observation, and observes again. The caller holds the lane's lock.
-- Safe only when every transaction that could hold a seq below the bound has ended: X is a transaction id taken after the bound was
-- observed, and the oldest running transaction has reached it. What committed since and is still pending keeps the floor down.
-- An event whose key waits for a later one of it, which the end of that wait would not bring back, is not passed either: it was committed
-- late, by a transaction that ran beside the later one's.
-- $1 lane, $2 bound of the earlier observation (null: none), $3 its X.
WITH head AS MATERIALIZED (
    SELECT (SELECT e.seq
            FROM outbox.events e
            WHERE e.lane = l.lane AND e.published_at IS NULL AND e.seq >= l.floor
              AND coalesce((SELECT w.seq > e.seq FROM outbox.waits w WHERE w.key = coalesce(e.partition_key, e.aggregate_id)), true)
            ORDER BY e.seq
            LIMIT 1) AS seq
    FROM outbox.lanes l
    WHERE l.lane = $1
), moved AS (
    UPDATE outbox.lanes l SET floor = least($2::bigint, head.seq)
    FROM head
    WHERE l.lane = $1 AND $2::bigint IS NOT NULL
      AND pg_snapshot_xmin(pg_current_snapshot()) >= ($3::text)::xid8
      AND l.floor < least($2::bigint, head.seq)
    RETURNING l.floor
)
-- A fresh sequence shows 1 before it has given 1 out.
SELECT least(head.seq, CASE WHEN s.is_called THEN s.last_value + 1 ELSE s.last_value END) AS bound,
       pg_snapshot_xmin(pg_current_snapshot()) >= ($3::text)::xid8 AS reached,
       (SELECT floor FROM moved) AS floor
FROM head CROSS JOIN outbox.events_seq_seq s
