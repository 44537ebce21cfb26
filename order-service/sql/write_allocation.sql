-- Writes what Inventory has done for a line.
-- $1 order id, $2 order item id, $3 state, $4 body.
INSERT INTO order_service.allocations (order_id, order_item_id, state, body)
VALUES ($1::text, $2::text, $3::text, $4::text::json)
ON CONFLICT (order_id, order_item_id) DO UPDATE SET state = excluded.state, body = excluded.body
RETURNING order_id
