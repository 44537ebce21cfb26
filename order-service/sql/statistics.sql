-- How many orders there are in each status, and what those of each currency come to.
SELECT status, currency, count(*), sum(total)::text
FROM order_service.orders
GROUP BY GROUPING SETS ((status), (currency))
ORDER BY status, currency
