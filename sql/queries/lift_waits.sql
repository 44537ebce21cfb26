-- Makes the next heads that waited for a lifted hold due, the oldest first; they keep their attempts and confirmed routes. A chunk at a
-- time, each in a transaction of its own, so that their number does not matter. A row that somebody else is changing is left to the sweep.
-- $1 hold, $2 seq of the last one before (0: from the start), $3 rows.
WITH chunk AS MATERIALIZED (
    SELECT key, seq FROM outbox.waits WHERE hold_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED
), lifted AS (
    UPDATE outbox.waits w SET until = clock_timestamp(), hold_id = NULL FROM chunk WHERE w.key = chunk.key
)
SELECT count(*) AS lifted, max(seq) AS seq FROM chunk
