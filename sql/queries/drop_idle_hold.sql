-- Drops a hold that nothing waits for any more: the next event for its destination finds out for itself.
-- $1 hold.
DELETE FROM outbox.holds h
WHERE h.id = $1 AND h.kind <> 'operator' AND NOT EXISTS (SELECT FROM outbox.waits w WHERE w.hold_id = h.id)
