-- Waiting keys counted by reason, the type of their head, and what their hold covers, the largest group first. Counting stops.
-- $1 reason (null: every), $2 where counting stops.
SELECT w.reason, coalesce(e.event_type, w.no_route_type) AS event_type, h.exchange, h.route, count(*) AS keys, min(w.since) AS oldest_since
FROM (SELECT * FROM outbox.waits WHERE $1::text IS NULL OR reason = $1 ORDER BY since, key LIMIT $2) w
LEFT JOIN outbox.events e ON e.id = w.event_id
LEFT JOIN outbox.holds h ON h.id = w.hold_id
GROUP BY w.reason, coalesce(e.event_type, w.no_route_type), h.exchange, h.route
ORDER BY count(*) DESC, w.reason, 2, 3, 4
LIMIT 100
