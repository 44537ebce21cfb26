-- Makes the waits of events due that a late confirm has marked: the next claim of their lane ends them under its lock.
-- $1 event ids.
UPDATE outbox.waits w SET until = statement_timestamp(), hold_id = NULL
WHERE w.event_id = ANY($1::uuid[]) AND NOT EXISTS (SELECT FROM outbox.events e WHERE e.id = w.event_id AND coalesce(e.published_at, 'infinity') = 'infinity')
