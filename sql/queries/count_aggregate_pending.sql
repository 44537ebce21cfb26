-- How many pending events of an aggregate a purge of published events leaves, up to 1,000.
-- $1 aggregate id.
SELECT count(*) FROM (
    SELECT FROM outbox.events WHERE published_at IS NULL AND aggregate_id = $1 LIMIT 1001
) counted
