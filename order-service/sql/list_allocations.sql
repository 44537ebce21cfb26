-- What Inventory has done for the lines of an order.
-- $1 order id.
SELECT order_item_id, body::text FROM order_service.allocations WHERE order_id = $1::text ORDER BY order_item_id
