-- When an event was published last; a time that no calendar holds, set by hand, is passed over.
SELECT max(published_at) AS at FROM outbox.events
WHERE published_at IS NOT NULL AND published_at >= '0001-01-01Z' AND published_at < '9999-12-31Z'
