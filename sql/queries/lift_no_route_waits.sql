-- Makes events due that waited for a route of their type, which a relay knows now. A chunk at a time, as in lift_waits.
-- $1 the types that have a route (null: all have one), $2 rows.
WITH chunk AS MATERIALIZED (
    SELECT key FROM outbox.waits
    WHERE reason = 'no_route' AND no_route_type IS NOT NULL AND ($1::text[] IS NULL OR no_route_type = ANY ($1::text[]))
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE outbox.waits w SET until = clock_timestamp(), no_route_type = NULL FROM chunk WHERE w.key = chunk.key
