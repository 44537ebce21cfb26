-- For the comparison with Inventory: orders whose stock may still be kept.
CREATE INDEX IF NOT EXISTS orders_with_stock ON order_service.orders (id)
WHERE status IN ('PENDING_PAYMENT', 'PAYMENT_FAILED', 'CONFIRMED', 'PROCESSING',
                 'CANCELLED', 'REFUND_REQUESTED', 'REFUND_INITIATED', 'REFUNDED')
