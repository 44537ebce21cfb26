-- The newest published events of an aggregate, through the hash index, and how many there are (counting stops at 10001).
-- $1 aggregate id, $2 limit.
WITH of_aggregate AS MATERIALIZED (
    SELECT id, seq FROM outbox.events WHERE aggregate_id = $1 AND published_at IS NOT NULL LIMIT 10001
)
SELECT id, seq, count(*) OVER () AS total FROM of_aggregate ORDER BY seq DESC LIMIT $2
