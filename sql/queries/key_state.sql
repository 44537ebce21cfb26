-- Why a key's head may not leave, and which event that is: the one its wait names, or its first pending one.
-- A key that cannot be sent to a client is asked about in the form in which lists show it.
-- $1 key.
SELECT coalesce(w.lane, k.lane) AS lane, w.reason, w.event_id AS waiting_id, w.seq AS wait_seq, w.attempts, w.error, coalesce(w.routes_confirmed, '{}') AS routes_confirmed,
       to_char(w.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS until,
       h.id AS hold_id, h.scope, h.exchange, h.routing_key, h.route, h.reason AS hold_reason,
       coalesce(waiting.id, first.id) AS head_id, outbox.readable(coalesce(waiting.event_type, first.event_type)) AS event_type,
       coalesce(waiting.seq, first.seq) AS seq, coalesce(waiting.created_at, first.created_at) AS created_at
FROM (SELECT $1::text AS key, (hashtextextended($1::text, 0) & 63)::smallint AS lane) k
LEFT JOIN outbox.waits w ON w.key = coalesce(
    (SELECT known.key FROM outbox.waits known WHERE known.key = k.key),
    (SELECT known.key FROM outbox.waits known
     WHERE getdatabaseencoding() <> 'UTF8' AND known.reason = 'unreadable' AND outbox.readable(known.key) = k.key LIMIT 1))
LEFT JOIN outbox.holds h ON h.id = w.hold_id
LEFT JOIN LATERAL (
    SELECT e.id, e.event_type, e.seq, to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at
    FROM outbox.events e
    WHERE e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'
) waiting ON true
LEFT JOIN LATERAL (
    SELECT e.id, e.event_type, e.seq, to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at
    FROM outbox.events e
    WHERE e.lane = k.lane AND e.published_at IS NULL AND coalesce(e.partition_key, e.aggregate_id) = k.key
    ORDER BY e.seq
    LIMIT 1
) first ON true
