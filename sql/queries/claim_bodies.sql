-- The payloads and headers of a batch's larger events. Headers that fit no frame stay where they are.
-- $1 event ids, $2 bytes of the largest headers.
SELECT e.id, e.payload::text AS payload, CASE WHEN octet_length(e.headers::text) <= $2 THEN e.headers::text END AS headers
FROM outbox.events e
WHERE e.id = ANY($1::uuid[])
