-- Adds a chunk to its run, in the chunk's transaction, so that the audit trail is always right.
-- $1 run, $2 events.
UPDATE outbox.replays SET events = events + $2 WHERE id = $1
