-- What is known of a product.
-- $1 product id.
SELECT body::text FROM order_service.products WHERE product_id = $1::text
