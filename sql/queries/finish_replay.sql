-- Closes the audit record of a run, and returns how many events the run sent again in total.
-- $1 run, $2 whether everything was done.
UPDATE outbox.replays SET finished_at = CASE WHEN $2 THEN clock_timestamp() ELSE finished_at END WHERE id = $1 RETURNING events
