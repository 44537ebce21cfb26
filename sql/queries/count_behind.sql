-- How many pending events of these keys wait behind their heads. Looks at the first 2000 pending events of each lane; `is_capped` says that
-- there are more.
-- Arrays of: $1 key, $2 head.
WITH asked AS MATERIALIZED (
    SELECT a.key, a.head, (hashtextextended(a.key, 0) & 63)::smallint AS lane FROM unnest($1::text[], $2::uuid[]) AS a (key, head)
), looked AS MATERIALIZED (
    SELECT l.lane, e.id, e.key
    FROM (SELECT DISTINCT lane FROM asked) l
    CROSS JOIN LATERAL (
        SELECT p.id, coalesce(p.partition_key, p.aggregate_id) AS key
        FROM outbox.events p WHERE p.lane = l.lane AND p.published_at IS NULL ORDER BY p.seq LIMIT 2000
    ) e
), counted AS (
    SELECT k.key, count(*) FILTER (WHERE k.id <> a.head) AS behind FROM looked k JOIN asked a ON a.key = k.key GROUP BY k.key
), capped AS (
    SELECT lane FROM looked GROUP BY lane HAVING count(*) >= 2000
)
SELECT a.key, coalesce(c.behind, 0) AS behind, a.lane IN (SELECT lane FROM capped) AS is_capped
FROM asked a
LEFT JOIN counted c ON c.key = a.key
