-- An order, locked until the transaction ends: its commands, and so its events, come one after the other.
-- $1 id.
SELECT body::text FROM order_service.orders WHERE id = $1::text FOR UPDATE
