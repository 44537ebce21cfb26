-- Somebody waits for the answer to a request. What has expired is deleted, so that the table stays small.
-- $1 request id, $2 seconds.
WITH expired AS (DELETE FROM order_service.replies WHERE expires_at < now())
INSERT INTO order_service.replies (request_id, expires_at)
VALUES ($1::text, now() + make_interval(secs => $2::double precision))
RETURNING request_id
