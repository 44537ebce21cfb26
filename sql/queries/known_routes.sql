-- The names of the routes that relays told with their heartbeats.
SELECT DISTINCT unnest(routes) AS route FROM outbox.relays ORDER BY 1 LIMIT 10000
