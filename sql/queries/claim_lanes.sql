-- Lanes with due work, the longest waiting first, locked for this transaction. The lock is the lease (design section 4):
-- an advisory lock takes no transaction id, so vacuum and HOT pruning go on while the batch waits for the broker.
-- $1 lanes at most. `due` counts the lanes with work, locked or not; `has_waits` says that a due wait is among the reasons.
WITH due AS MATERIALIZED (
    SELECT l.lane, least(head.seq, wait.seq) AS seq, wait.seq IS NOT NULL AS has_waits
    FROM outbox.lanes l
    LEFT JOIN LATERAL (
        SELECT e.seq
        FROM outbox.events e
        WHERE e.lane = l.lane AND e.published_at IS NULL AND e.seq >= l.floor
          AND coalesce((SELECT false FROM outbox.waits w WHERE w.key = coalesce(e.partition_key, e.aggregate_id)), true)
        ORDER BY e.seq
        LIMIT 1
    ) head ON true
    LEFT JOIN LATERAL (
        SELECT w.seq
        FROM outbox.waits w
        WHERE w.lane = l.lane AND w.until <= statement_timestamp()
        ORDER BY w.until
        LIMIT 1
    ) wait ON true
    WHERE head.seq IS NOT NULL OR wait.seq IS NOT NULL
    ORDER BY 2
)
SELECT lane, has_waits, (SELECT count(*) FROM due) AS due
FROM due
WHERE pg_try_advisory_xact_lock(hashtext('outbox.lanes'), lane)
LIMIT $1
