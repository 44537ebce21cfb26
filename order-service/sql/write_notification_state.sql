-- Writes what became of a notification on a channel.
-- $1 notification id, $2 channel, $3 order id, $4 type, $5 state, $6 body.
INSERT INTO order_service.notification_states (notification_id, channel, order_id, notification_type, state, body)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text::json)
ON CONFLICT (notification_id, channel) DO UPDATE SET state = excluded.state, body = excluded.body
RETURNING notification_id
