-- The next hold whose probe is due and one of whose oldest waiting events has a lane that is free, both locked for this transaction: one
-- replica probes a hold at a time, and a hold whose lanes are busy does not keep the others from their turn. A hold that nothing waits
-- for comes without an event. A hold that was passed over stays locked until the transaction ends, which costs it a moment.
-- The waiting events go round by the probes so far, so that one that closes every channel does not keep its destination shut.
WITH due AS MATERIALIZED (
    SELECT id, probes, kind FROM outbox.holds
    WHERE kind <> 'operator' AND next_probe_at <= statement_timestamp()
    ORDER BY next_probe_at
    LIMIT 64
), free AS (
    SELECT id, probes, kind
    FROM due
    WHERE pg_try_advisory_xact_lock(hashtext('outbox.holds'), (id % 2147483647)::integer)
    OFFSET 0
)
SELECT free.id, free.probes, free.kind, head.lane, head.event_id
FROM free
LEFT JOIN LATERAL (
    WITH oldest AS MATERIALIZED (
        SELECT lane, event_id, seq FROM outbox.waits WHERE hold_id = free.id ORDER BY seq LIMIT 16
    ), turn AS MATERIALIZED (
        SELECT lane, event_id
        FROM (SELECT lane, event_id, row_number() OVER (ORDER BY seq) - 1 AS place, count(*) OVER () AS places FROM oldest) numbered
        ORDER BY (place - free.probes % places + places) % places
    )
    SELECT lane, event_id
    FROM turn
    WHERE pg_try_advisory_xact_lock(hashtext('outbox.lanes'), lane)
    LIMIT 1
) head ON true
WHERE head.lane IS NOT NULL OR NOT EXISTS (SELECT FROM outbox.waits w WHERE w.hold_id = free.id)
LIMIT 1
