-- Waiting keys by reason; counting stops.
-- $1 the cap.
SELECT reason, count(*) AS keys, min(since) AS oldest_since FROM (SELECT reason, since FROM outbox.waits LIMIT $1) capped GROUP BY reason ORDER BY reason
