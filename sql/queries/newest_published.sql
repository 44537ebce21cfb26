-- When an event was published last, of the time asked for.
-- $1 seconds.
SELECT max(published_at) FROM outbox.events
WHERE published_at IS NOT NULL AND published_at > statement_timestamp() - $1::bigint * interval '1 second'
