-- Puts a destination on hold, or updates the existing hold. Either way the row stays locked until the waits that name it are committed, so
-- that no probe can lift it in between.
-- $1 scope, $2 exchange, $3 routing key, $4 route, $5 kind, $6 reason, $7 error, $8 milliseconds until the first probe.
INSERT INTO outbox.holds AS h (scope, exchange, routing_key, route, kind, reason, error, next_probe_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + $8::bigint * interval '1 millisecond')
ON CONFLICT (scope, exchange, routing_key, route) DO UPDATE SET
    error = coalesce(excluded.error, h.error),
    kind = CASE WHEN h.kind = 'operator' THEN h.kind ELSE excluded.kind END,
    reason = CASE WHEN h.kind = 'operator' THEN h.reason ELSE excluded.reason END
RETURNING h.id, (xmax = 0) AS is_new
