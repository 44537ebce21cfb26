-- Where each of these events is, for an operator who named them.
-- $1 event ids.
SELECT asked.id, e.id IS NOT NULL AS is_there, e.published_at IS NOT NULL AS is_published,
       (SELECT max(d.dead_letter_id) FROM outbox.dead_letters d WHERE d.id = asked.id::uuid AND d.processed_at IS NULL) AS dead_letter
FROM unnest($1::text[]) AS asked (id)
LEFT JOIN outbox.events e ON e.id = asked.id::uuid
