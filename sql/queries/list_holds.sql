-- The holds in force.
SELECT id, scope, exchange, routing_key, route FROM outbox.holds ORDER BY id LIMIT 10000
