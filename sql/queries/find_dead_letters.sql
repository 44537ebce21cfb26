-- Which of these ids are dead letters and what happened to them, for an operator who named them. The latest of each.
-- $1 event ids, $2 dead-letter ids.
SELECT asked.id, d.dead_letter_id, d.resolution, d.resolved_by,
       to_char(d.processed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS processed_at
FROM (SELECT id, id::uuid AS event, NULL::bigint AS letter FROM unnest(coalesce($1::text[], '{}')) AS id
      UNION ALL
      SELECT id::text, NULL, id FROM unnest(coalesce($2::bigint[], '{}')) AS id) asked
LEFT JOIN LATERAL (
    SELECT l.* FROM outbox.dead_letters l
    WHERE l.id = asked.event OR l.dead_letter_id = asked.letter
    ORDER BY (l.processed_at IS NULL) DESC, l.dead_letter_id DESC
    LIMIT 1
) d ON true
