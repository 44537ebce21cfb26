-- Records routes whose confirm came late, for events that wait for another route, so that they are not sent there again. A confirm of a copy
-- from before a replay says nothing about the copy that the replay sends.
-- Arrays of: $1 event, $2 its replay (null: none), $3 route.
UPDATE outbox.waits w SET routes_confirmed = w.routes_confirmed || late.routes
FROM (SELECT n.event_id, array_agg(DISTINCT n.route) AS routes
      FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS n (event_id, replay_id, route)
      JOIN outbox.events e ON e.id = n.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'
      JOIN outbox.waits known ON known.event_id = n.event_id
      WHERE e.replay_id IS NOT DISTINCT FROM n.replay_id AND n.route <> ALL(known.routes_confirmed)
      GROUP BY n.event_id) late
WHERE w.event_id = late.event_id
