-- Why a person should look at an order, in the order in which it was flagged.
-- $1 order id.
SELECT reason, subject, message, to_char(raised_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
FROM order_service.reviews
WHERE order_id = $1::text
ORDER BY id
