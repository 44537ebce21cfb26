-- Lowers a lane's floor to a late event. The caller holds the lane's lock.
-- $1 lane, $2 seq.
UPDATE outbox.lanes SET floor = least(floor, $2) WHERE lane = $1
