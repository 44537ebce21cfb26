-- What the Notification Service was asked to tell of an order.
-- $1 order id.
SELECT notification_id, notification_type, channels, idempotency_key, is_fallback,
       to_char(requested_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
FROM order_service.notifications
WHERE order_id = $1::text
ORDER BY requested_at, notification_id
