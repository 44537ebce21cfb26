-- Lanes with due work, in turns, locked for this transaction. The lock is the lease (docs/architecture.md):
-- an advisory lock takes no transaction id, so vacuum and HOT pruning go on while the batch waits for the broker.
-- Lanes that were not served in this round come first; of those, alternately the one with the oldest pending event and the one whose
-- wait has been due for longest. So neither a lane with a long backlog nor many due waits keep another lane from its turn.
-- $1 lanes at most, $2 the lanes that were served in this round, as bits. `due` counts the lanes with work, locked or not; `has_waits` says
-- that a due wait is among the reasons.
WITH due AS MATERIALIZED (
    SELECT l.lane, head.seq, wait.until
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
        SELECT w.until
        FROM outbox.waits w
        WHERE w.lane = l.lane AND w.until <= statement_timestamp()
        ORDER BY w.until
        LIMIT 1
    ) wait ON true
    WHERE head.seq IS NOT NULL OR wait.until IS NOT NULL
), in_turn AS MATERIALIZED (
    SELECT lane, until IS NOT NULL AS has_waits
    FROM (SELECT lane, until,
                 CASE WHEN seq IS NOT NULL THEN row_number() OVER (ORDER BY seq) END AS by_seq,
                 CASE WHEN until IS NOT NULL THEN row_number() OVER (ORDER BY until) END AS by_until
          FROM due) ranked
    ORDER BY ($2::bigint >> lane) & 1, least(by_seq, by_until)
)
SELECT lane, has_waits, (SELECT count(*) FROM due) AS due
FROM in_turn
WHERE pg_try_advisory_xact_lock(hashtext('outbox.lanes'), lane)
LIMIT $1
