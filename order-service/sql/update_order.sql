-- Writes an order back. The version is that of the row which was locked before, so that a lost lock would show.
-- $1 id, $2 status, $3 version, $4 body.
UPDATE order_service.orders SET status = $2::text, version = $3::bigint, body = $4::text::json
WHERE id = $1::text AND version = $3::bigint - 1
RETURNING id
