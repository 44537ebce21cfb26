-- What the floors have to catch up with: the highest seq handed out, each lane's floor.
SELECT l.lane, l.floor, s.last_value FROM outbox.lanes l CROSS JOIN outbox.events_seq_seq s ORDER BY l.lane
