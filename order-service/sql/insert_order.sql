-- Writes a new order, unless its key has made one. Waits for another transaction that is making one by the same key.
-- $1 id, $2 number, $3 idempotency key, $4 the request's bytes, $5 user id, $6 status, $7 version, $8 currency, $9 total,
-- $10 lines, $11 created at, $12 body.
INSERT INTO order_service.orders (id, number, idempotency_key, request_sha256, user_id, status, version, currency, total,
                                  item_count, created_at, body)
VALUES ($1::text, $2::bigint, $3::text, sha256($4::bytea), $5::text, $6::text, $7::bigint, $8::text, $9::text::numeric,
        $10::integer, $11::text::timestamptz, $12::text::json)
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING id
