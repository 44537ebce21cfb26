-- What has become of the events of these runs: how many still wait, and how many were given up. Counting stops.
-- $1 runs, $2 where counting stops.
SELECT r.id,
       (SELECT count(*) FROM (SELECT replay_id FROM outbox.events WHERE published_at IS NULL ORDER BY lane, seq LIMIT $2) p
        WHERE p.replay_id = r.id) AS waiting,
       (SELECT count(*) FROM (SELECT replay_id FROM outbox.dead_letters WHERE processed_at IS NULL ORDER BY dead_letter_id DESC LIMIT $2) d
        WHERE d.replay_id = r.id) AS dead_lettered
FROM unnest($1::uuid[]) AS r (id)
