-- What keeps each of these keys, if anything: its wait, the hold that it waits for, its lane.
-- A key that cannot be sent to a client is asked about in the form in which lists show it.
-- $1 keys.
SELECT k.key, l.floor,
       holder.pid IS NOT NULL AS lane_is_locked, nullif(holder.pid, 0) AS lane_holder,
       w.event_id, outbox.readable(coalesce(e.event_type, (SELECT d.event_type FROM outbox.dead_letters d WHERE d.id = w.event_id LIMIT 1))) AS event_type,
       w.reason, w.attempts, nullif(w.until, 'infinity') AS until, w.since, w.error, w.routes_confirmed,
       h.id AS hold_id, h.scope AS hold_scope, h.exchange AS hold_exchange, h.routing_key AS hold_routing_key, h.route AS hold_route,
       h.kind AS hold_kind, h.reason AS hold_reason, h.error AS hold_error, h.since AS hold_since,
       nullif(h.next_probe_at, 'infinity') AS hold_next_probe_at, h.held_by AS hold_held_by, h.note AS hold_note
FROM unnest($1::text[]) AS k (key)
JOIN outbox.lanes l ON l.lane = (hashtextextended(k.key, 0) & 63)::smallint
LEFT JOIN LATERAL (
    SELECT coalesce(g.pid, 0) AS pid
    FROM pg_locks g
    WHERE g.locktype = 'advisory' AND g.objsubid = 2 AND g.granted AND g.objid::bigint = l.lane
      AND g.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND g.classid::bigint = hashtext('outbox.lanes')::bigint & 4294967295
    LIMIT 1
) holder ON true
LEFT JOIN outbox.waits w ON w.key = coalesce(
    (SELECT known.key FROM outbox.waits known WHERE known.key = k.key),
    (SELECT known.key FROM outbox.waits known
     WHERE getdatabaseencoding() <> 'UTF8' AND known.reason = 'unreadable' AND outbox.readable(known.key) = k.key LIMIT 1))
LEFT JOIN outbox.events e ON e.id = w.event_id
LEFT JOIN outbox.holds h ON h.id = w.hold_id
