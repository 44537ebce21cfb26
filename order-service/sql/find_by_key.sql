-- The order that an idempotency key has made, and whether it was the same request.
-- $1 the key, $2 the request's bytes.
SELECT body::text, request_sha256 = sha256($2::bytea) FROM order_service.orders WHERE idempotency_key = $1::text
