-- Opens the audit record of a run.
-- $1 source, $2 selection as JSON, $3 who (null: the database role), $4 note, $5 the time at which the selection was looked up.
INSERT INTO outbox.replays (source, selection, requested_by, note, started_at)
VALUES ($1, $2::text::json, coalesce($3, current_user), $4, coalesce($5::text::timestamptz, clock_timestamp()))
RETURNING id, started_at::text
