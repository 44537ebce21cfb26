-- One dead letter, locked until the transaction ends: it is replayed or resolved once.
-- $1 id. Answers its queue, routing key, message id, body, encoding, whether the body is whole, whether it is open.
SELECT queue, routing_key, message_id, original_event, encoding, is_whole, processed_at IS NULL
FROM order_service.dead_letters
WHERE id = $1::bigint
FOR UPDATE
