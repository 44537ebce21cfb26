-- Moves the floors of lanes up to an earlier observation. The caller holds the lanes' locks and took them before this snapshot.
-- Safe only when every transaction that could hold a seq below the bound had ended before this statement. What committed since and is
-- still pending keeps the floor down.
-- An event whose key waits for a later one of it, which the end of that wait would not bring back, is not passed either: it was committed
-- late, by a transaction that ran beside the later one's.
-- Never above what is handed out next, which a sequence that was set back makes less than the bound.
-- $1 lanes, $2 bound of the observation, $3 seqs that a floor moves by at least: each move leaves a dead row that every claim reads until
-- vacuum. Answers how many floors moved, and which lanes have reached the bound.
WITH next AS MATERIALIZED (
    SELECT least($2::bigint, CASE WHEN is_called THEN last_value + 1 ELSE last_value END) AS bound FROM outbox.events_seq_seq
), target AS MATERIALIZED (
    SELECT l.lane, l.floor, next.bound,
           least(next.bound, (
               SELECT e.seq
               FROM outbox.events e
               WHERE e.lane = l.lane AND e.published_at IS NULL AND e.seq >= l.floor
                 AND coalesce((SELECT w.seq > e.seq FROM outbox.waits w WHERE w.key = coalesce(e.partition_key, e.aggregate_id)), true)
               ORDER BY e.seq
               LIMIT 1)) AS seq
    FROM outbox.lanes l CROSS JOIN next
    WHERE l.lane = ANY ($1::smallint[])
), moved AS (
    UPDATE outbox.lanes l SET floor = target.seq
    FROM target
    WHERE l.lane = target.lane AND target.seq - target.floor >= $3::bigint
    RETURNING l.lane, l.floor
)
SELECT (SELECT count(*) FROM moved) AS moved,
       ARRAY(SELECT target.lane FROM target LEFT JOIN moved USING (lane) WHERE coalesce(moved.floor, target.floor) >= target.bound) AS done
