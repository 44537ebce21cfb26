-- For everything that was reported of an order's notifications.
CREATE INDEX IF NOT EXISTS notification_states_by_order ON order_service.notification_states (order_id)
