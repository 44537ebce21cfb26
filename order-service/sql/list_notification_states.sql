-- Everything that was reported of an order's notifications.
-- $1 order id.
SELECT notification_id, channel, notification_type, body::text
FROM order_service.notification_states
WHERE order_id = $1::text
ORDER BY notification_id, channel
