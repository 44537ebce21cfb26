-- Puts a route on hold until an operator releases it; the hold is never probed. Keeps an existing hold as it is.
-- $1 route, $2 who (null: the database role), $3 note.
INSERT INTO outbox.holds (scope, route, kind, reason, held_by, note, next_probe_at)
VALUES ('route', $1, 'operator', 'an operator holds it', coalesce($2::text, current_user), $3, 'infinity')
ON CONFLICT (scope, exchange, routing_key, route) DO NOTHING
RETURNING id, held_by
