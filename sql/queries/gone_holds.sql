-- The holds that waits name and that are not there any more: whoever lifted them did not get to the end of their waits. Jumps from hold to
-- hold, so that the number of waits does not matter.
WITH RECURSIVE named AS (
    (SELECT hold_id FROM outbox.waits WHERE hold_id IS NOT NULL ORDER BY hold_id LIMIT 1)
    UNION ALL
    SELECT (SELECT w.hold_id FROM outbox.waits w WHERE w.hold_id > named.hold_id ORDER BY w.hold_id LIMIT 1)
    FROM named
    WHERE named.hold_id IS NOT NULL
)
SELECT hold_id
FROM named
WHERE hold_id IS NOT NULL AND NOT EXISTS (SELECT FROM outbox.holds h WHERE h.id = named.hold_id)
LIMIT 100
