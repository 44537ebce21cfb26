-- Published events with this partition key but another aggregate. No index leads there, so only the last hour is searched, and of it at most
-- the latest 50000 events. Always at least one row.
-- $1 key, $2 limit.
WITH recent AS MATERIALIZED (
    SELECT id, seq, aggregate_id, partition_key FROM outbox.events
    WHERE published_at IS NOT NULL AND published_at > statement_timestamp() - interval '1 hour'
    ORDER BY published_at DESC
    LIMIT 50000
), found AS (
    SELECT id, seq FROM recent WHERE partition_key = $1 AND aggregate_id <> $1 ORDER BY seq DESC LIMIT $2
)
SELECT c.looked_at, f.id, f.seq FROM (SELECT count(*) AS looked_at FROM recent) c LEFT JOIN found f ON true
