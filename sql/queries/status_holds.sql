-- The holds in force, oldest first, and how many keys wait for each. Counts are capped.
-- $1 the cap.
SELECT h.id AS hold_id, h.scope AS hold_scope, h.exchange AS hold_exchange, h.routing_key AS hold_routing_key, h.route AS hold_route,
       h.kind AS hold_kind, h.reason AS hold_reason, h.error AS hold_error, h.since AS hold_since,
       nullif(h.next_probe_at, 'infinity') AS hold_next_probe_at, h.held_by AS hold_held_by, h.note AS hold_note,
       (SELECT count(*) FROM (SELECT FROM outbox.waits w WHERE w.hold_id = h.id LIMIT $1) capped) AS waiting_keys
FROM (SELECT * FROM outbox.holds ORDER BY since, id LIMIT 100) h
ORDER BY h.since, h.id
