-- Lifts a hold whose destination takes messages again. Before its waits, in the order in which settling locks them.
-- $1 hold.
DELETE FROM outbox.holds WHERE id = $1
