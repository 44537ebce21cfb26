-- Makes waits due that nothing will end any more: they wait for no hold, or their event is gone. A page at a time. What waits for a hold that is
-- gone is left to the lift in chunks (see gone_holds): it may be all there is, and one statement for it takes too long on a slow disk.
-- $1 the key after which the page begins, $2 rows. Answers where the page ended and how many rows it had.
WITH page AS MATERIALIZED (
    SELECT key, event_id FROM outbox.waits WHERE key > $1 ORDER BY key LIMIT $2
), ended AS (
    UPDATE outbox.waits w SET until = statement_timestamp(), hold_id = NULL, no_route_type = NULL
    FROM page
    WHERE w.key = page.key AND w.event_id = page.event_id AND w.until = 'infinity' AND w.reason <> 'after_dead_letter'
      AND ((w.reason = 'held' AND w.hold_id IS NULL)
           OR NOT EXISTS (SELECT FROM outbox.events e WHERE e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'))
)
SELECT max(key) AS up_to, count(*) AS found FROM page
