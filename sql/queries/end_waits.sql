-- Ends the waits of settled events, and the due waits whose event is no longer pending (a late confirm marked it). What waited
-- behind them is claimable again, so the floor of their lanes comes down to it. The caller holds the lanes' locks.
-- $1 lanes, $2 settled event ids.
WITH ended AS (
    DELETE FROM outbox.waits w
    WHERE w.event_id = ANY($2::uuid[])
       OR (w.lane = ANY($1::smallint[]) AND w.until <= statement_timestamp()
           AND NOT EXISTS (SELECT FROM outbox.events e WHERE e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'))
    RETURNING w.lane, w.seq
), lowest AS (
    SELECT lane, min(seq) AS seq FROM ended GROUP BY lane ORDER BY lane
)
UPDATE outbox.lanes l SET floor = lowest.seq FROM lowest WHERE l.lane = lowest.lane AND l.floor > lowest.seq
