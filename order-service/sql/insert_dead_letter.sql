-- Keeps a message that could not be handled. One that is there and open already stays as it is.
-- $1 queue, $2 routing key, $3 message id, $4 failure reason, $5 detail or null, $6 attempts, $7 body as text, $8 its encoding,
-- $9 whether the body is whole, $10 bytes of the body, $11 AMQP's correlation id, $12 traceparent, $13 AMQP's timestamp.
INSERT INTO order_service.dead_letters (queue, routing_key, message_id, failure_reason, detail, attempts, original_event, encoding,
                                        is_whole, body_bytes, correlation_id, traceparent, sent_at)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::integer, $7::text, $8::text, $9::boolean, $10::bigint, $11::text,
        $12::text, $13::text::timestamptz)
ON CONFLICT (queue, message_id) WHERE processed_at IS NULL DO NOTHING
RETURNING id
