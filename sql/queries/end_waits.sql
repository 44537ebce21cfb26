-- Ends the waits of settled events, and due waits whose event is no longer pending (a late confirm marked it). What waited behind them can be
-- claimed again, so the floor of their lanes comes down to it. The caller holds the lanes' locks.
-- Of due waits only the longest due of each lane are looked at, which claims read first: with thousands due, each batch would look up all of
-- their events. One lookup each, whatever the planner thinks of the guard.
-- $1 lanes, $2 settled event ids.
WITH ending AS MATERIALIZED (
    SELECT unnest($2::uuid[]) AS event_id
    UNION ALL
    SELECT w.event_id
    FROM unnest($1::smallint[]) AS locked (lane)
    CROSS JOIN LATERAL (
        SELECT event_id FROM outbox.waits WHERE lane = locked.lane AND until <= statement_timestamp() ORDER BY until LIMIT 64
    ) w
    WHERE coalesce((SELECT false FROM outbox.events e
                    WHERE e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'), true)
), ended AS (
    DELETE FROM outbox.waits w WHERE w.event_id = ANY (ARRAY(SELECT event_id FROM ending)) RETURNING w.lane, w.seq
), lowest AS (
    SELECT lane, min(seq) AS seq FROM ended GROUP BY lane ORDER BY lane
)
UPDATE outbox.lanes l SET floor = lowest.seq FROM lowest WHERE l.lane = lowest.lane AND l.floor > lowest.seq
