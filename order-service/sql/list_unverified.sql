-- Orders that were placed without a check, with the review that says so.
-- $1 the reasons, $2 only reviews after this one, $3 how many.
SELECT reviews.id, reviews.reason, orders.body::text
FROM order_service.reviews JOIN order_service.orders ON orders.id = reviews.order_id
WHERE reviews.reason IN ('PRICE_UNVERIFIED', 'USER_UNVERIFIED') AND reviews.reason = ANY ($1::text[])
  AND reviews.subject IN ('prices', 'customer') AND reviews.id > $2::bigint
ORDER BY reviews.id
LIMIT $3::bigint
