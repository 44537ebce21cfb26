-- What a person has done about a dead letter, and who.
-- $1 id, $2 resolution, $3 by whom, $4 note or null.
UPDATE order_service.dead_letters
SET processed_at = now(), resolution = $2::text, resolved_by = $3::text, note = $4::text
WHERE id = $1::bigint AND processed_at IS NULL
RETURNING id
