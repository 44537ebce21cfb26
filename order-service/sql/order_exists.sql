-- Whether there is an order. Locks nothing.
-- $1 order id.
SELECT EXISTS (SELECT FROM order_service.orders WHERE id = $1::text)
