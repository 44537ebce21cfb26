-- Marks confirmed events. True whoever does it, and only once.
-- $1 event ids, sorted.
UPDATE outbox.events SET published_at = clock_timestamp() WHERE id = ANY($1::uuid[]) AND published_at IS NULL
