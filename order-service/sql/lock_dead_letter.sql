-- One dead letter, locked until the transaction ends: it is replayed or resolved once.
-- $1 id. Answers its queue, routing key, message id, body, encoding, whether the body is whole, whether it is open, AMQP's correlation id, traceparent
-- and timestamp.
SELECT queue, routing_key, message_id, original_event, encoding, is_whole, processed_at IS NULL, correlation_id, traceparent,
       to_char(sent_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
FROM order_service.dead_letters
WHERE id = $1::bigint
FOR UPDATE
