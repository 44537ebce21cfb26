-- The published events that a replay acts on, oldest first, and the time of this look; later ones are not part of it. A null filter matches
-- everything.
-- $1 event ids, $2 aggregate id, $3 event type, $4 published since, $5 published before.
-- $6 the run's start and $7 the run if it is resumed, else null; $8 limit.
SELECT coalesce(array_agg(chosen.id), '{}') AS ids, coalesce(array_agg(chosen.lane), '{}') AS lanes, statement_timestamp()::text AS looked_at
FROM (
    SELECT e.id, e.lane
    FROM outbox.events e
    WHERE e.published_at IS NOT NULL
      AND ($1::text[] IS NULL OR e.id = ANY($1::text[]::uuid[]))
      AND ($2::text IS NULL OR e.aggregate_id = $2)
      AND ($3::text IS NULL OR e.event_type = $3)
      AND e.published_at >= coalesce($4::text::timestamptz, '-infinity')
      AND e.published_at < least($5::text::timestamptz, $6::text::timestamptz, statement_timestamp())
      AND ($7::text IS NULL OR e.replay_id IS DISTINCT FROM $7::text::uuid)
    ORDER BY e.seq
    LIMIT $8
) chosen
