-- Lifts the holds of destinations that seemed not to confirm, but did.
-- Arrays of: $1 exchange, $2 routing key.
DELETE FROM outbox.holds h
USING unnest($1::text[], $2::text[]) AS d (exchange, routing_key)
WHERE h.scope = 'key' AND h.kind = 'unconfirmed' AND h.exchange = d.exchange AND h.routing_key = d.routing_key
RETURNING h.id
