-- Whether a request was answered.
-- $1 request id.
SELECT is_answered FROM order_service.replies WHERE request_id = $1::text
