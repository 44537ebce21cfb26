-- Lowers the floors of lanes to events that are pending again. The caller holds the lanes' locks.
-- $1 event ids.
UPDATE outbox.lanes l SET floor = lowest.seq
FROM (SELECT lane, min(seq) AS seq FROM outbox.events
      WHERE id = ANY($1::uuid[]) AND coalesce(published_at, 'infinity') = 'infinity'
      GROUP BY lane) lowest
WHERE l.lane = lowest.lane AND l.floor > lowest.seq
