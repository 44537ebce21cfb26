-- How far the floors are behind: the next seq (a fresh sequence shows 1 before it has given out 1), and the lanes whose floor is below it.
SELECT s.next, ARRAY(SELECT l.lane FROM outbox.lanes l WHERE l.floor < s.next ORDER BY l.lane) AS lanes
FROM (SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END AS next FROM outbox.events_seq_seq) s
