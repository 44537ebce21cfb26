-- For a user's orders, newest first.
CREATE INDEX IF NOT EXISTS orders_by_user ON order_service.orders (user_id, number DESC)
