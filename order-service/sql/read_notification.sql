-- The payload of the event that asked for a notification of an order, and whether it is the other channel of another request.
-- $1 notification id, $2 order id.
SELECT request::text, is_fallback FROM order_service.notifications WHERE notification_id = $1::text AND order_id = $2::text
