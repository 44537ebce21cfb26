-- When the oldest kept event was published. Ignores times outside the calendar, which somebody may have set by hand.
SELECT min(published_at) AS at FROM outbox.events
WHERE published_at IS NOT NULL AND published_at >= '0001-01-01Z' AND published_at < '9999-12-31Z'
