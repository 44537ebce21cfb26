-- Nobody waits for the answer any more.
-- $1 request id.
DELETE FROM order_service.replies WHERE request_id = $1::text RETURNING request_id
