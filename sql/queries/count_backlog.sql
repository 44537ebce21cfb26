-- The gauges. Counts are capped, so that a backlog of millions does not cost a full scan each time.
-- First counts pending events up to the cap's share in each lane; these lie next to each other in the table, where the claims work
-- (measured: a fifth of the pages). Only if some lane has more, and the others too few to reach the cap, counts lane after lane.
-- ORDER BY and no bitmaps (the caller plans as for a claim), or PostgreSQL might first collect everything that is pending.
-- What a replay sends again is old and not late: it does not count for the age. The first 1,000 events of each lane decide that.
-- $1 the cap.
WITH counted AS MATERIALIZED (
    SELECT (SELECT count(*) FROM (SELECT FROM outbox.events e WHERE e.lane = l.lane AND e.published_at IS NULL
                                  ORDER BY e.seq LIMIT ($1::bigint + 63) / 64) share) AS events
    FROM outbox.lanes l
)
SELECT (SELECT CASE WHEN sum(events) < $1 AND max(events) >= ($1 + 63) / 64
                    THEN (SELECT count(*) FROM (SELECT FROM outbox.events WHERE published_at IS NULL ORDER BY lane, seq LIMIT $1) capped)
                    ELSE least(sum(events), $1)::bigint END
        FROM counted) AS pending,
       coalesce(extract(epoch FROM clock_timestamp() - (
           -- A time that is far from any clock is the writer's, and not when the event was written: it must not stop the gauges.
           SELECT min(CASE WHEN head.created_at >= clock_timestamp() - interval '10 years' AND head.created_at < '9999-12-31Z'
                           THEN head.created_at END)
           FROM outbox.lanes l
           CROSS JOIN LATERAL (SELECT h.created_at
                               FROM (SELECT e.created_at, e.seq, e.replay_id FROM outbox.events e
                                     WHERE e.lane = l.lane AND e.published_at IS NULL
                                       AND (SELECT true FROM outbox.waits w
                                            WHERE w.key = coalesce(e.partition_key, e.aggregate_id) AND w.reason = 'retry') IS NULL
                                     ORDER BY e.seq LIMIT 1000) h
                               WHERE h.replay_id IS NULL
                               ORDER BY h.seq LIMIT 1) head
       )), 0)::double precision AS oldest_pending_age_seconds,
       (SELECT count(*) FROM (SELECT FROM outbox.waits LIMIT $1) capped) AS blocked_keys,
       (SELECT count(*) FROM (SELECT FROM outbox.waits WHERE reason = 'no_route' AND no_route_type IS NOT NULL LIMIT $1) capped) AS no_route_keys,
       (SELECT count(*) FROM (SELECT FROM outbox.dead_letters WHERE processed_at IS NULL LIMIT $1) capped) AS dead_letters
