-- An order as it was last committed.
-- $1 id.
SELECT body::text FROM order_service.orders WHERE id = $1::text
