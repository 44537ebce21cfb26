-- Names that the routes must know: the routes of holds, of partly confirmed waits and of replayed events, and the types of pending events.
-- Looks at the first 500 pending events of each lane and at 10000 waits.
WITH pending AS MATERIALIZED (
    SELECT e.event_type, e.only_routes
    FROM outbox.lanes l
    CROSS JOIN LATERAL (
        SELECT p.event_type, p.only_routes FROM outbox.events p WHERE p.lane = l.lane AND p.published_at IS NULL ORDER BY p.seq LIMIT 500
    ) e
)
SELECT 'held route' AS used_by, route AS name, count(*) AS events FROM outbox.holds WHERE scope = 'route' GROUP BY route
UNION ALL
SELECT 'confirmed route', r.name, count(*)
FROM (SELECT routes_confirmed FROM outbox.waits LIMIT 10000) w CROSS JOIN LATERAL unnest(w.routes_confirmed) AS r (name) GROUP BY r.name
UNION ALL
SELECT 'replayed route', r.name, count(*)
FROM pending p CROSS JOIN LATERAL unnest(p.only_routes) AS r (name) WHERE p.only_routes IS NOT NULL GROUP BY r.name
UNION ALL
SELECT 'event type', outbox.readable(left(event_type, 255)), count(*) FROM pending GROUP BY left(event_type, 255)
LIMIT 5000
