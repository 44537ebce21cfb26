-- What became of a notification on a channel.
-- $1 notification id, $2 channel.
SELECT body::text FROM order_service.notification_states WHERE notification_id = $1::text AND channel = $2::text
