-- Makes waits due that nothing will end any more: their hold is gone, or their event is. A page at a time.
-- $1 the key after which the page begins, $2 rows. Answers where the page ended and how many rows it had.
WITH page AS MATERIALIZED (
    SELECT key, event_id FROM outbox.waits WHERE key > $1 ORDER BY key LIMIT $2
), ended AS (
    UPDATE outbox.waits w SET until = statement_timestamp(), hold_id = NULL, no_route_type = NULL
    FROM page
    WHERE w.key = page.key AND w.event_id = page.event_id AND w.until = 'infinity' AND w.reason <> 'after_dead_letter'
      AND ((w.reason = 'held' AND NOT EXISTS (SELECT FROM outbox.holds h WHERE h.id = w.hold_id))
           OR NOT EXISTS (SELECT FROM outbox.events e WHERE e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'))
)
SELECT max(key) AS up_to, count(*) AS found FROM page
