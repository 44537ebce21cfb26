-- A page of orders, newest first; of one user, or of all.
-- $1 user id or null, $2 only numbers below this one, $3 how many.
SELECT id, number, user_id, status, version, currency, total::text, item_count,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
FROM order_service.orders
WHERE ($1::text IS NULL OR user_id = $1::text) AND number < $2::bigint
ORDER BY number DESC
LIMIT $3::bigint
