-- Moves one event to the dead letters in one statement, so that it is always in exactly one place.
-- $1 event id, $2 failure reason, $3 error, $4 attempts, $5 confirmed routes, $6 failed routes, both joined by commas.
WITH moved AS (
    DELETE FROM outbox.events WHERE id = $1 AND coalesce(published_at, 'infinity') = 'infinity' RETURNING *
)
INSERT INTO outbox.dead_letters (
    id, seq, aggregate_type, aggregate_id, event_type, partition_key, event_version, payload, headers, correlation_id, created_at, lane,
    replay_id, first_seq, only_routes, failure_reason, last_error, attempts, routes_confirmed, routes_failed)
SELECT m.id, m.seq, m.aggregate_type, m.aggregate_id, m.event_type, m.partition_key, m.event_version, m.payload, m.headers,
       m.correlation_id, m.created_at, m.lane, m.replay_id, m.first_seq, m.only_routes, $2, $3, $4,
       string_to_array($5, ','), string_to_array($6, ',')
FROM moved m
RETURNING id
