-- Marks confirmed events. True whoever does it, and only once.
-- By id: the odd guard keeps the planner from walking the whole pending index, which its statistics take for empty (measured).
-- $1 event ids, sorted.
UPDATE outbox.events SET published_at = statement_timestamp() WHERE id = ANY($1::uuid[]) AND coalesce(published_at, 'infinity') = 'infinity'
