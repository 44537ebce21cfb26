-- Flags an order, once for each reason and subject; the latest message counts.
-- $1 order id, $2 reason, $3 subject, $4 message.
INSERT INTO order_service.reviews (order_id, reason, subject, message)
VALUES ($1::text, $2::text, $3::text, $4::text)
ON CONFLICT (order_id, reason, subject) DO UPDATE SET message = excluded.message
RETURNING id
