-- Adds a chunk to its run; within the chunk's transaction, so that the audit is right whatever happens.
-- $1 run, $2 events.
UPDATE outbox.replays SET events = events + $2 WHERE id = $1
