-- Writes events into the outbox, in the order given, all or none: in one round trip.
-- Each aggregate is first claimed for this transaction by an advisory lock that never waits. One that another open
-- transaction has claimed tells that both append to one aggregate at a time, so that neither has locked it: then nothing
-- is written and the answer is 0. The identity of a row is taken only after `claimed` has let it pass.
-- Everything is text and cast here, so that a payload keeps its bytes and both drivers send the same.
-- $1 ids, $2 aggregate types, $3 aggregate ids, $4 event types, $5 versions, $6 payloads, $7 headers, $8 correlation ids,
-- $9 times: arrays of one length. Answers how many rows were written.
WITH given AS (
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
        WITH ORDINALITY AS event (id, aggregate_type, aggregate_id, event_type, event_version, payload, headers,
                                  correlation_id, created_at, place)
), claimed AS MATERIALIZED (
    SELECT bool_and(pg_try_advisory_xact_lock(hashtextextended(aggregate_id, hashtextextended('outbox.append', 0)))) AS all_ours
    FROM (SELECT DISTINCT aggregate_id FROM given) AS aggregates
), written AS (
    INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, event_version, payload, headers, correlation_id,
                               created_at)
    SELECT id::uuid, aggregate_type, aggregate_id, event_type, event_version, payload::json, headers::json, correlation_id,
           created_at::timestamptz
    FROM given, claimed
    WHERE claimed.all_ours
    ORDER BY place
    RETURNING 1
)
SELECT count(*) FROM written
