-- Events below their lane's floor that could leave: they committed late, or somebody made them pending by hand.
SELECT e.lane, min(e.seq) AS seq, count(*) AS events
FROM outbox.lanes l
JOIN outbox.events e ON e.lane = l.lane AND e.published_at IS NULL AND e.seq < l.floor
WHERE (SELECT true FROM outbox.waits w WHERE w.key = coalesce(e.partition_key, e.aggregate_id)) IS NULL
GROUP BY e.lane
ORDER BY e.lane
