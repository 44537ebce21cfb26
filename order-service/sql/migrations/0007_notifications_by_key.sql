-- For a key that was used before, by a client or by the service itself.
CREATE INDEX IF NOT EXISTS notifications_by_key ON order_service.notifications (idempotency_key)
