-- What became of a notification on one channel, as the Notification Service reports it. No row means that nothing was reported yet.
-- Beside the order and not in it: a report neither locks nor rewrites the order. `body` is what the domain merges and reads.
CREATE TABLE IF NOT EXISTS order_service.notification_states (
    notification_id   text NOT NULL CHECK (octet_length(notification_id) BETWEEN 1 AND 255),
    channel           text NOT NULL,
    order_id          text NOT NULL CHECK (octet_length(order_id) BETWEEN 1 AND 255),
    notification_type text NOT NULL,
    state             text NOT NULL,
    body              json NOT NULL,
    PRIMARY KEY (notification_id, channel)
)
