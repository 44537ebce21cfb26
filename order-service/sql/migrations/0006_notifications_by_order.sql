-- For an order's notifications, in the order in which they were asked for.
CREATE INDEX IF NOT EXISTS notifications_by_order ON order_service.notifications (order_id, requested_at)
