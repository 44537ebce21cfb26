-- Lifts a hold whose destination takes messages again, and says what it was. Before its waits, in the order in which settling locks
-- them.
-- $1 hold.
DELETE FROM outbox.holds WHERE id = $1 RETURNING id, scope, exchange, routing_key, route
