-- Unresolved dead letters by reason, with the oldest of each. Counts are capped.
-- $1 the cap.
SELECT failure_reason AS reason, count(*) AS events, min(dead_lettered_at) AS oldest_at
FROM (SELECT failure_reason, dead_lettered_at FROM outbox.dead_letters WHERE processed_at IS NULL ORDER BY dead_lettered_at LIMIT $1) capped
GROUP BY failure_reason
ORDER BY failure_reason
