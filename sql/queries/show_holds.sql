-- The holds in force with everything an operator needs, oldest first. Counts up to 1,000 waiting keys.
SELECT h.id, h.scope, h.exchange, h.routing_key, h.route, h.kind, h.reason, h.error, h.probes, h.held_by, h.note,
       to_char(h.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
       CASE WHEN isfinite(h.next_probe_at) THEN to_char(h.next_probe_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END AS next_probe_at,
       (SELECT count(*) FROM (SELECT FROM outbox.waits w WHERE w.hold_id = h.id LIMIT 1001) counted) AS waiting_keys
FROM outbox.holds h
ORDER BY h.id
LIMIT 10000
