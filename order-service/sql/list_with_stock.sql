-- Orders whose stock may still be kept: open ones, and those that were given up and are of the last two days, or have stock that is known to
-- be kept.
-- $1 only orders after this one, $2 how many.
SELECT body::text
FROM order_service.orders
WHERE id > $1::text
  AND (status IN ('PENDING_PAYMENT', 'PAYMENT_FAILED', 'CONFIRMED', 'PROCESSING')
       OR status IN ('CANCELLED', 'REFUND_REQUESTED', 'REFUND_INITIATED', 'REFUNDED')
          AND (created_at > now() - interval '2 days'
               OR EXISTS (SELECT FROM order_service.allocations
                          WHERE allocations.order_id = orders.id AND allocations.state IN ('PENDING', 'CONFIRMED', 'OPTIMISTIC'))))
ORDER BY id
LIMIT $2::bigint
