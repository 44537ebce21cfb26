-- Writes down what the Notification Service is asked to tell. Answers with no row where another order has used the client's key.
-- $1 notification id, $2 order id, $3 type, $4 channels, $5 idempotency key, $6 the client's key or null, $7 the bytes of the
-- client's request or null, $8 requested at, $9 the event's payload, $10 whether it is the other channel of another
-- request.
INSERT INTO order_service.notifications (notification_id, order_id, notification_type, channels, idempotency_key, client_key,
                                         request_sha256, requested_at, request, is_fallback)
VALUES ($1::text, $2::text, $3::text, $4::text[], $5::text, $6::text, sha256($7::bytea), $8::text::timestamptz, $9::text::json,
        $10::boolean)
ON CONFLICT (client_key) DO NOTHING
RETURNING notification_id
