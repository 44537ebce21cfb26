-- Waiting keys with their heads and holds, longest waiting first. The columns are those of key_waits.sql.
-- $1 reason (null: every), $2 limit.
SELECT outbox.readable(w.key) AS key, w.lane, w.event_id,
       outbox.readable(coalesce(e.event_type, (SELECT d.event_type FROM outbox.dead_letters d WHERE d.id = w.event_id LIMIT 1))) AS event_type,
       e.seq, CASE WHEN e.created_at >= '0001-01-01Z' AND e.created_at < '9999-12-31Z' THEN e.created_at END AS created_at,
       w.reason, w.attempts, nullif(w.until, 'infinity') AS until, w.since, w.error, w.routes_confirmed,
       h.id AS hold_id, h.scope AS hold_scope, h.exchange AS hold_exchange, h.routing_key AS hold_routing_key, h.route AS hold_route,
       h.kind AS hold_kind, h.reason AS hold_reason, h.error AS hold_error, h.since AS hold_since,
       nullif(h.next_probe_at, 'infinity') AS hold_next_probe_at, h.held_by AS hold_held_by, h.note AS hold_note
FROM (SELECT * FROM outbox.waits WHERE $1::text IS NULL OR reason = $1 ORDER BY since, key LIMIT $2) w
LEFT JOIN outbox.events e ON e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'
LEFT JOIN outbox.holds h ON h.id = w.hold_id
ORDER BY w.since, w.key
