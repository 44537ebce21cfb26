-- Flags every open order of a product that is no longer made, in one statement that locks no order.
-- $1 product id, $2 reason, $3 subject, $4 message. Answers how many orders were flagged.
WITH flagged AS (
    INSERT INTO order_service.reviews (order_id, reason, subject, message)
    SELECT id, $2::text, $3::text, $4::text
    FROM order_service.orders
    WHERE order_service.product_ids(body) @> ARRAY[$1::text]
      AND status IN ('PENDING_PAYMENT', 'PAYMENT_FAILED', 'CONFIRMED', 'PROCESSING')
    ON CONFLICT (order_id, reason, subject) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM flagged
