-- Writes what is known of a product.
-- $1 product id, $2 body.
INSERT INTO order_service.products (product_id, body)
VALUES ($1::text, $2::text::json)
ON CONFLICT (product_id) DO UPDATE SET body = excluded.body, updated_at = now()
RETURNING product_id
