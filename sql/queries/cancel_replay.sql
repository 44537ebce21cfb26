-- Takes back what a run of published events queued and what has not left: the events are published again, as they were before the run, and
-- nothing waits for them any more. The caller holds the lanes' locks, so no relay is sending them.
-- $1 event ids, $2 run.
WITH taken AS (
    UPDATE outbox.events
    SET published_at = coalesce(first_published_at, clock_timestamp()), replay_id = NULL, only_routes = NULL
    WHERE id = ANY($1::uuid[]) AND replay_id = $2 AND published_at IS NULL
    RETURNING id
), ended AS (
    DELETE FROM outbox.waits w USING taken WHERE w.event_id = taken.id
), counted AS (
    UPDATE outbox.replays SET cancelled = cancelled + (SELECT count(*) FROM taken) WHERE id = $2
)
SELECT id FROM taken
