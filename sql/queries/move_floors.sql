-- Moves the floors of lanes up to an earlier observation. The caller took the lanes' locks before this snapshot and holds them.
-- Safe only if every transaction that could hold a seq below the bound ended before this statement. Events that have committed since and
-- are still pending keep the floor down.
-- Does not pass an event whose key waits for a later event of that key: the end of that wait would not bring the earlier event back. Such an
-- event committed late, in a transaction that ran concurrently with the later event's.
-- Never moves above the next seq, which is below the bound if somebody set the sequence back.
-- $1 lanes, $2 bound of the observation, $3 smallest move in seqs: each move leaves a dead row that every claim reads until vacuum.
-- Returns how many floors moved, and which lanes have reached the bound.
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
