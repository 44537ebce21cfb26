-- Lets keys wait: one row per key. `since` tells how long the reason has lasted.
-- Arrays of: $1 key, $2 lane, $3 event id, $4 seq, $5 reason, $6 attempts, $7 milliseconds until it ends (null: not by itself),
-- $8 hold, $9 error, $10 confirmed routes, joined by commas, $11 the event's type where no route names it.
-- A wait that goes on for the same event keeps the lower seq: its end is to bring the floor down to an event revived before it.
INSERT INTO outbox.waits AS w (key, lane, event_id, seq, reason, attempts, until, hold_id, error, routes_confirmed, no_route_type)
SELECT n.key, n.lane, n.event_id, n.seq, n.reason, n.attempts,
       coalesce(clock_timestamp() + n.for_ms * interval '1 millisecond', 'infinity'),
       n.hold_id, n.error, string_to_array(n.routes_confirmed, ','), n.no_route_type
FROM unnest($1::text[], $2::smallint[], $3::uuid[], $4::bigint[], $5::text[], $6::integer[], $7::bigint[], $8::bigint[], $9::text[],
            $10::text[], $11::text[]) AS n (key, lane, event_id, seq, reason, attempts, for_ms, hold_id, error, routes_confirmed, no_route_type)
ORDER BY n.key
ON CONFLICT (key) DO UPDATE SET
    lane = excluded.lane, event_id = excluded.event_id,
    seq = CASE WHEN w.event_id = excluded.event_id THEN least(w.seq, excluded.seq) ELSE excluded.seq END,
    reason = excluded.reason, attempts = excluded.attempts,
    until = excluded.until, hold_id = excluded.hold_id, error = excluded.error, routes_confirmed = excluded.routes_confirmed, no_route_type = excluded.no_route_type,
    since = CASE WHEN w.event_id = excluded.event_id AND w.reason = excluded.reason THEN w.since ELSE clock_timestamp() END
