-- Makes waits due that nothing will end any more: their hold is gone, or their event is.
UPDATE outbox.waits w SET until = statement_timestamp(), hold_id = NULL
WHERE w.until = 'infinity' AND w.reason <> 'after_dead_letter'
  AND ((w.reason = 'held' AND NOT EXISTS (SELECT FROM outbox.holds h WHERE h.id = w.hold_id))
       OR NOT EXISTS (SELECT FROM outbox.events e WHERE e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity'))
