-- Drops a hold that no event waits for. The next event for its destination tries it anyway.
-- $1 hold.
DELETE FROM outbox.holds h
WHERE h.id = $1 AND h.kind <> 'operator' AND NOT EXISTS (SELECT FROM outbox.waits w WHERE w.hold_id = h.id)
