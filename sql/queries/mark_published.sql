-- Marks confirmed events. The mark is true whoever writes it, and is written only once.
-- Looks up by id: the odd guard keeps the planner from walking the whole pending index, which its statistics claim to be empty (measured).
-- $1 event ids, sorted.
UPDATE outbox.events SET published_at = statement_timestamp() WHERE id = ANY($1::uuid[]) AND coalesce(published_at, 'infinity') = 'infinity'
