-- Whether a claim might find something: a pending event at or above its lane's floor, or a wait that is due. A cheap question for a relay
-- that found nothing the last time. May answer yes for an event whose key waits, but never no for one that could leave. Answers yes where
-- row security or a standby might hide rows: the claim's transaction then reports what is wrong.
-- `snapshot`: what this answer is true for (see snapshot.sql). `is_at_rest`: no key waits, so that where there is no work either, only a commit makes some.
SELECT (EXISTS (
    SELECT
    FROM outbox.lanes l
    WHERE coalesce((SELECT true FROM outbox.events e WHERE e.lane = l.lane AND e.published_at IS NULL AND e.seq >= l.floor LIMIT 1), false)
       OR coalesce((SELECT true FROM outbox.waits w WHERE w.lane = l.lane AND w.until <= statement_timestamp() LIMIT 1), false)
) OR row_security_active('outbox.events') OR row_security_active('outbox.waits') OR row_security_active('outbox.lanes')
  OR current_setting('transaction_read_only')::boolean) AS has_work,
  coalesce((SELECT false FROM outbox.waits LIMIT 1), true) AS is_at_rest,
  pg_current_snapshot()::text AS snapshot
