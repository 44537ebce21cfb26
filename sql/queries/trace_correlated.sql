-- Events and dead letters with this correlation id. No index leads there: searched are the first 500 pending events of every lane, the latest
-- 50000 of those published in the last hour, and the newest 10000 dead letters. Always at least one row.
-- $1 correlation id, $2 limit.
WITH pending AS (
    SELECT e.id, e.seq
    FROM outbox.lanes l
    CROSS JOIN LATERAL (
        SELECT p.id, p.seq, p.correlation_id FROM outbox.events p WHERE p.lane = l.lane AND p.published_at IS NULL ORDER BY p.seq LIMIT 500
    ) e
    WHERE e.correlation_id = $1
), published AS (
    SELECT r.id, r.seq
    FROM (SELECT id, seq, correlation_id FROM outbox.events
          WHERE published_at IS NOT NULL AND published_at > statement_timestamp() - interval '1 hour'
          ORDER BY published_at DESC LIMIT 50000) r
    WHERE r.correlation_id = $1
), dead AS (
    SELECT d.id, d.seq
    FROM (SELECT id, seq, correlation_id FROM outbox.dead_letters ORDER BY dead_letter_id DESC LIMIT 10000) d
    WHERE d.correlation_id = $1
), found AS (
    SELECT id, min(rank) AS rank, max(seq) AS seq
    FROM (SELECT id, seq, 1 AS rank FROM dead UNION ALL SELECT id, seq, 2 FROM pending UNION ALL SELECT id, seq, 3 FROM published) known
    GROUP BY id
    ORDER BY min(rank), max(seq) DESC
    LIMIT $2
)
SELECT f.id FROM (SELECT true) always LEFT JOIN found f ON true
