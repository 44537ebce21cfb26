-- What became of a notification, by channel.
-- $1 notification id.
SELECT channel, body::text FROM order_service.notification_states WHERE notification_id = $1::text
