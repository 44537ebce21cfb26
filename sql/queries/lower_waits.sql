-- Lets the end of a wait that stays bring the floor down to a revived event before it. The caller holds the lanes' locks.
-- $1 ids of the revived events.
UPDATE outbox.waits w SET seq = first.seq
FROM (SELECT coalesce(e.partition_key, e.aggregate_id) AS key, min(e.seq) AS seq
      FROM outbox.events e
      WHERE e.id = ANY($1::uuid[]) AND coalesce(e.published_at, 'infinity') = 'infinity'
      GROUP BY 1) first
WHERE w.key = first.key AND w.seq > first.seq
