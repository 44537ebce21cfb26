-- For the orders that still wait for a product. An index of what the orders say, not a table beside them: also an instance of
-- an earlier version keeps it up to date.
CREATE INDEX IF NOT EXISTS open_orders_by_product ON order_service.orders USING gin (order_service.product_ids(body))
WHERE status IN ('PENDING_PAYMENT', 'PAYMENT_FAILED', 'CONFIRMED', 'PROCESSING')
