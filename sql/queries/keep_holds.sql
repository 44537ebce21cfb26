-- Which of these holds are still in force. They stay in force until the waits that name them are committed.
-- $1 hold ids.
SELECT id FROM outbox.holds WHERE id = ANY($1::bigint[]) ORDER BY id FOR KEY SHARE
