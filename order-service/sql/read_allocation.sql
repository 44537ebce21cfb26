-- What Inventory has done for a line.
-- $1 order id, $2 order item id.
SELECT body::text FROM order_service.allocations WHERE order_id = $1::text AND order_item_id = $2::text
