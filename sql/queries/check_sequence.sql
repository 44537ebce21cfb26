-- Whether the next event's seq is above everything that is there: after a cut-over a sequence may begin anew. Looks at the newest pending event
-- of each lane, at the waits, at the 1,000 events published last, and at the floors, below which no claim looks.
SELECT (SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM outbox.events_seq_seq) AS next,
       (SELECT max(floor) FROM outbox.lanes) AS floor,
       greatest(
           (SELECT max(head.seq) FROM outbox.lanes l
            CROSS JOIN LATERAL (SELECT e.seq FROM outbox.events e
                                WHERE e.lane = l.lane AND e.published_at IS NULL ORDER BY e.seq DESC LIMIT 1) head),
           (SELECT max(w.seq) FROM outbox.waits w),
           (SELECT max(p.seq) FROM (SELECT e.seq FROM outbox.events e
                                    WHERE e.published_at IS NOT NULL ORDER BY e.published_at DESC LIMIT 1000) p)) AS highest
