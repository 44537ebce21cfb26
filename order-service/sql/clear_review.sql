-- Takes a review back whose reason has gone.
-- $1 id.
DELETE FROM order_service.reviews WHERE id = $1::bigint RETURNING order_id
