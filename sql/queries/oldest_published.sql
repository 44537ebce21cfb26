-- The time of some event that was published so long ago, to find out how far back published events go: where there is none, the BRIN
-- index says so without reading the table.
-- $1 seconds.
SELECT published_at FROM outbox.events
WHERE published_at IS NOT NULL AND published_at < statement_timestamp() - $1::bigint * interval '1 second'
LIMIT 1
