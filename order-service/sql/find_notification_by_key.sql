-- The notification that a key has asked for, and whether it was the same request of the same order.
-- $1 the key, $2 order id, $3 the request's bytes.
SELECT notification_id, client_key IS NOT NULL AND order_id = $2::text AND request_sha256 = sha256($3::bytea)
FROM order_service.notifications
WHERE idempotency_key = $1::text
ORDER BY requested_at
LIMIT 1
