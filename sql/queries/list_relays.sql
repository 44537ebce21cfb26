-- What each relay last said of itself, the latest first.
SELECT id, host, pid, version, started_at, seen_at, broker, broker_since, broker_error, confirmed_at, published, routes
FROM outbox.relays
ORDER BY seen_at DESC
LIMIT 100
