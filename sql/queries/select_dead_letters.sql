-- The unresolved dead letters that a command acts on, in the order of their events, and the time of this look. A null filter matches
-- everything.
-- $1 event ids, $2 dead-letter ids (being in either is enough), $3 aggregate id, $4 event type, $5 route that failed, $6 reason,
-- $7 dead-lettered since, $8 dead-lettered before. $9 limit.
-- $10 the run's start if it is resumed, else null: nobody agreed to later dead letters, nor to those that the run sent and that failed again.
SELECT coalesce(array_agg(chosen.dead_letter_id), '{}') AS ids, coalesce(array_agg(chosen.lane), '{}') AS lanes,
       statement_timestamp()::text AS looked_at
FROM (
    SELECT d.dead_letter_id, (hashtextextended(coalesce(d.partition_key, d.aggregate_id), 0) & 63)::smallint AS lane
    FROM outbox.dead_letters d
    WHERE d.processed_at IS NULL
      AND (($1::text[] IS NULL AND $2::bigint[] IS NULL) OR d.id = ANY($1::text[]::uuid[]) OR d.dead_letter_id = ANY($2::bigint[]))
      AND ($3::text IS NULL OR d.aggregate_id = $3)
      AND ($4::text IS NULL OR d.event_type = $4)
      AND ($5::text IS NULL OR $5 = ANY(d.routes_failed))
      AND ($6::text IS NULL OR d.failure_reason = $6)
      AND d.dead_lettered_at >= coalesce($7::text::timestamptz, '-infinity')
      AND d.dead_lettered_at < coalesce(least($8::text::timestamptz, $10::text::timestamptz), 'infinity')
    ORDER BY d.seq, d.dead_letter_id
    LIMIT $9
) chosen
