-- A request was answered; nobody may wait for it.
-- $1 request id.
UPDATE order_service.replies SET is_answered = true WHERE request_id = $1::text RETURNING request_id
