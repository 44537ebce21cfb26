-- Lifts the holds of what seemed not to confirm, but did.
-- Arrays of: $1 scope, $2 exchange, $3 routing key or template.
DELETE FROM outbox.holds h
USING unnest($1::text[], $2::text[], $3::text[]) AS d (scope, exchange, routing_key)
WHERE h.scope = d.scope AND h.kind = 'unconfirmed' AND h.exchange = d.exchange AND h.routing_key = d.routing_key
RETURNING h.id
