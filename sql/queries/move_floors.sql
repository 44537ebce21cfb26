-- Moves the floors of lanes up to an earlier observation. The caller holds the lanes' locks and took them before this snapshot.
-- Safe only when every transaction that could hold a seq below the bound has ended: X is a transaction id taken after the bound was
-- observed, and the oldest running transaction has reached it. What committed since and is still pending keeps the floor down.
-- An event whose key waits for a later one of it, which the end of that wait would not bring back, is not passed either: it was committed
-- late, by a transaction that ran beside the later one's.
-- Never above what is handed out next, which a sequence that was set back makes less than the bound.
-- $1 lanes, $2 bound of the observation, $3 its X. Answers whether X was reached, and how many floors moved.
WITH head AS MATERIALIZED (
    SELECT l.lane,
           (SELECT e.seq
            FROM outbox.events e
            WHERE e.lane = l.lane AND e.published_at IS NULL AND e.seq >= l.floor
              AND coalesce((SELECT w.seq > e.seq FROM outbox.waits w WHERE w.key = coalesce(e.partition_key, e.aggregate_id)), true)
            ORDER BY e.seq
            LIMIT 1) AS seq
    FROM outbox.lanes l
    WHERE l.lane = ANY ($1::smallint[]) AND pg_snapshot_xmin(pg_current_snapshot()) >= ($3::text)::xid8
), next AS MATERIALIZED (
    SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END AS seq FROM outbox.events_seq_seq
), moved AS (
    UPDATE outbox.lanes l SET floor = least($2::bigint, head.seq, next.seq)
    FROM head CROSS JOIN next
    WHERE l.lane = head.lane AND l.floor < least($2::bigint, head.seq, next.seq)
    RETURNING l.lane
)
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= ($3::text)::xid8 AS reached, (SELECT count(*) FROM moved) AS moved
