-- Looks past keys that have had their share: of lanes whose oldest pending events are mostly of a few keys, the oldest events of each key,
-- four of every key in turn. Replaces what claim_events found pending in them: a key's first event is known by having seen all before it, in
-- one snapshot.
-- Arrays of: $1 lane, $2 its pending events that are looked at. $3 events of a key at most, $4 events per lane at most, $5 bytes as in
-- claim_events. `visited` says how many were looked at.
-- Keys are compared by their bytes, as in the table of waits, which also sorts faster, and the ids of each are put in order explicitly: no plan may mix them up.
SELECT e.id, e.seq, e.lane, e.aggregate_type, e.aggregate_id, e.event_type, e.partition_key, e.event_version,
       CASE WHEN b.payload_bytes + coalesce(b.headers_bytes, 0) <= $5 THEN e.payload::text END AS payload, b.payload_bytes,
       CASE WHEN b.payload_bytes + coalesce(b.headers_bytes, 0) <= $5 THEN e.headers::text END AS headers, b.headers_bytes,
       left(e.correlation_id, 256) AS correlation_id,
       CASE WHEN e.created_at >= '0001-01-01Z' AND e.created_at < '9999-12-31Z' THEN e.created_at END AS created_at, e.replay_id, e.first_seq, e.only_routes,
       NULL::text AS reason, 0 AS attempts, NULL::bigint AS hold_id, '{}'::text[] AS routes_confirmed, past.visited
FROM unnest($1::smallint[], $2::bigint[]) AS locked (lane, depth)
JOIN outbox.lanes l ON l.lane = locked.lane
CROSS JOIN LATERAL (
    SELECT share.id, keys.visited
    FROM (
        SELECT key, ids[1:$3] AS ids, first_seq, sum(events) OVER ()::bigint AS visited
        FROM (SELECT key, array_agg(id ORDER BY seq) AS ids, min(seq) AS first_seq, count(*) AS events
              FROM (SELECT e.id, e.seq, coalesce(e.partition_key, e.aggregate_id) COLLATE "C" AS key
                    FROM outbox.events e
                    WHERE e.lane = l.lane AND e.published_at IS NULL AND e.seq >= l.floor
                    ORDER BY e.seq
                    LIMIT locked.depth) visited
              GROUP BY key) counted
    ) keys
    CROSS JOIN LATERAL unnest(keys.ids) WITH ORDINALITY AS share (id, place)
    WHERE coalesce((SELECT false FROM outbox.waits w WHERE w.key = keys.key), true)
    ORDER BY (share.place - 1) / 4, keys.first_seq, share.place
    LIMIT $4
) past
JOIN outbox.events e ON e.id = past.id AND coalesce(e.published_at, 'infinity') = 'infinity'
CROSS JOIN LATERAL (SELECT pg_column_size(e.payload) AS payload_bytes, octet_length(e.headers::text) AS headers_bytes) b
