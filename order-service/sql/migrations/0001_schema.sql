-- The service's own schema, beside the relay's `outbox` in one database.
CREATE SCHEMA IF NOT EXISTS order_service
