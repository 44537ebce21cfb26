-- Events below their lane's floor that could leave: they committed late, or somebody made them pending by hand. Goes lane by lane: for a join
-- the planner reads everything pending and looks up each event's lane (measured: 2.3 s with 400,000 pending events).
SELECT l.lane, late.seq, late.events
FROM outbox.lanes l
CROSS JOIN LATERAL (
    SELECT min(e.seq) AS seq, count(*) AS events
    FROM outbox.events e
    WHERE e.lane = l.lane AND e.published_at IS NULL AND e.seq < l.floor
      AND coalesce((SELECT false FROM outbox.waits w WHERE w.key = coalesce(e.partition_key, e.aggregate_id)), true)
) late
WHERE late.events > 0
ORDER BY l.lane
