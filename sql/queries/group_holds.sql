-- The holds in force, grouped by what they have in common, the oldest group first: how many they are, how many keys wait for them, and the
-- oldest of each group. A broken route can have a hold for each of its thousands of routing keys. Counts are capped.
-- $1 the cap.
WITH waiting AS MATERIALIZED (
    SELECT hold_id, count(*) AS keys
    FROM (SELECT hold_id FROM outbox.waits WHERE hold_id IS NOT NULL LIMIT $1) capped
    GROUP BY hold_id
)
SELECT h.scope, h.exchange, h.route, h.kind, count(*) AS holds, min(h.since) AS since, coalesce(sum(w.keys), 0)::bigint AS waiting_keys,
       (array_agg(h.id ORDER BY h.since, h.id))[1] AS first_hold_id
FROM (SELECT * FROM outbox.holds ORDER BY since, id LIMIT $1) h
LEFT JOIN waiting w ON w.hold_id = h.id
GROUP BY h.scope, h.exchange, h.route, h.kind
ORDER BY min(h.since), h.scope, h.exchange, h.route, h.kind
LIMIT 50
