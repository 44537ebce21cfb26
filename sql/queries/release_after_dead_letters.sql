-- Lets keys continue without the dead letter they wait for, and lowers the floors of their lanes to it. The caller holds the lanes' locks.
-- $1 event ids.
WITH ended AS (
    DELETE FROM outbox.waits WHERE event_id = ANY($1::uuid[]) AND reason = 'after_dead_letter' RETURNING key, lane, seq
), lowered AS (
    UPDATE outbox.lanes l SET floor = lowest.seq
    FROM (SELECT lane, min(seq) AS seq FROM ended GROUP BY lane) lowest
    WHERE l.lane = lowest.lane AND l.floor > lowest.seq
)
SELECT outbox.readable(key) AS key FROM ended ORDER BY ended.key
