-- Resolves dead letters without sending them.
-- $1 dead-letter ids, $2 who (null: the database role), $3 note.
UPDATE outbox.dead_letters
SET processed_at = clock_timestamp(), resolution = 'discarded', resolved_by = coalesce($2::text, current_user), note = coalesce($3::text, note)
WHERE dead_letter_id = ANY($1::bigint[]) AND processed_at IS NULL
RETURNING dead_letter_id, id
