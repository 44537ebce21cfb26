-- The pending events of a key, found through its lane: its head, the newest ones, and one that was asked for.
-- $1 key, $2 how many of the newest, $3 event id or null.
WITH of_key AS MATERIALIZED (
    SELECT e.id, e.seq, e.event_type
    FROM outbox.events e
    WHERE e.lane = (hashtextextended($1, 0) & 63)::smallint AND e.published_at IS NULL AND coalesce(e.partition_key, e.aggregate_id) = $1
    ORDER BY e.seq
    LIMIT 100001
), placed AS (
    SELECT id, seq, event_type, row_number() OVER (ORDER BY seq) AS place, count(*) OVER () AS total FROM of_key
)
SELECT id, seq, outbox.readable(event_type) AS event_type, place, total FROM placed WHERE place = 1 OR place > total - $2 OR id = $3 ORDER BY seq
