-- Makes published events pending again, at the end of their keys: each gets a new seq, in the given order. Skips events that are no longer
-- published, were published after the run began, or already belong to the run. The caller holds the lanes' locks.
-- The odd guard makes PostgreSQL look them up by id, whatever the statistics say.
-- $1 event ids, $2 run, $3 its start, $4 the only route to send (null: all).
WITH chosen AS MATERIALIZED (
    SELECT e.id
    FROM unnest($1::uuid[]) WITH ORDINALITY AS c (id, place)
    JOIN outbox.events e ON e.id = c.id
    WHERE coalesce(e.published_at, 'infinity') < $3::text::timestamptz AND e.replay_id IS DISTINCT FROM $2
    ORDER BY c.place
    FOR UPDATE OF e
), numbered AS MATERIALIZED (
    SELECT id, nextval('outbox.events_seq_seq') AS seq FROM chosen
)
UPDATE outbox.events e
SET published_at = NULL, first_published_at = coalesce(e.first_published_at, e.published_at), first_seq = coalesce(e.first_seq, e.seq),
    seq = n.seq, replay_id = $2, only_routes = CASE WHEN $4::text IS NOT NULL THEN ARRAY[$4::text] END
FROM numbered n
WHERE e.id = n.id
RETURNING e.id
