-- Events that a replay run made pending and that have not left yet.
-- $1 run, $2 limit.
SELECT id, lane FROM outbox.events WHERE published_at IS NULL AND replay_id = $1 ORDER BY lane, seq LIMIT $2
