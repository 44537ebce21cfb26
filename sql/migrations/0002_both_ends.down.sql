-- Back to version 1, part by part in the reverse order. Every event stays.

-- == Replays: what they take back ==
ALTER TABLE outbox.replays DROP COLUMN cancelled;
ALTER TABLE outbox.events DROP COLUMN first_published_at, DROP COLUMN first_seq;
ALTER TABLE outbox.dead_letters DROP COLUMN first_seq;

-- == Rows: keys that are parked ==
-- A relay of version 1 tries them again.
DROP FUNCTION outbox.readable(text);
UPDATE outbox.waits SET reason = 'retry', until = clock_timestamp() WHERE reason IN ('unreadable', 'dead_letter_failed');
ALTER TABLE outbox.waits DROP CONSTRAINT waits_reason_check;
ALTER TABLE outbox.waits ADD CONSTRAINT waits_reason_check
    CHECK (reason IN ('retry', 'held', 'no_route', 'unconfirmed', 'after_dead_letter'));

-- == Rows: dead letters without a second copy ==
-- A document that the server cannot hold is left empty: its columns are there.
DROP VIEW outbox.dead_letter_documents;
ALTER TABLE outbox.dead_letters ADD COLUMN original_event json NOT NULL DEFAULT '{}';
UPDATE outbox.dead_letters d
SET original_event = (
    SELECT row_to_json(o)
    FROM (SELECT d.id, d.seq, d.aggregate_type, d.aggregate_id, d.event_type, d.partition_key, d.event_version, d.payload, d.headers,
                 d.correlation_id, d.created_at, d.lane, d.replay_id, d.only_routes) o)
WHERE pg_column_size(payload) <= 1048576 AND octet_length(coalesce(correlation_id, '')) <= 1024 AND coalesce(pg_column_size(headers), 0) <= 4096;
ALTER TABLE outbox.dead_letters ALTER COLUMN original_event DROP DEFAULT, ALTER COLUMN payload SET STORAGE EXTENDED;

-- == Rows: keys are ordered by their bytes ==
ALTER TABLE outbox.waits ALTER COLUMN key TYPE text COLLATE "default";
ALTER TABLE outbox.holds ALTER COLUMN scope TYPE text COLLATE "default", ALTER COLUMN exchange TYPE text COLLATE "default",
    ALTER COLUMN routing_key TYPE text COLLATE "default", ALTER COLUMN route TYPE text COLLATE "default";
ALTER TABLE outbox.dead_letters ALTER COLUMN aggregate_id TYPE text COLLATE "default";
ALTER TABLE outbox.upkeep ALTER COLUMN job TYPE text COLLATE "default";

-- == Rows: limits ==
ALTER TABLE outbox.events
    DROP CONSTRAINT payload_has_at_most_512_mib,
    DROP CONSTRAINT headers_have_at_most_256_kib,
    DROP CONSTRAINT correlation_id_has_at_most_1024_bytes;

-- == Relays ==
DROP TABLE outbox.relays;

-- == Waits: events that no route names ==
-- A relay of version 1 looks at them every 30 s.
UPDATE outbox.waits SET until = clock_timestamp() WHERE reason = 'no_route' AND until = 'infinity';
DROP INDEX outbox.waits_no_route;
ALTER TABLE outbox.waits DROP COLUMN no_route_type;

-- == Holds by flow ==
-- What waits for one is tried again by the relay's sweep.
DELETE FROM outbox.holds WHERE scope = 'flow';
ALTER TABLE outbox.holds DROP CONSTRAINT holds_scope_check;
ALTER TABLE outbox.holds ADD CONSTRAINT holds_scope_check CHECK (scope IN ('key', 'exchange', 'route'));
DROP TABLE outbox.flows;

-- == Writers: emit and append ==
DROP PROCEDURE outbox.append(text, text, text, jsonb, text, text, jsonb, text, timestamptz, uuid, boolean);
DROP PROCEDURE outbox.append(text, text, text, json, text, text, json, text, timestamptz, uuid, boolean);
DROP PROCEDURE outbox.append(text, text, text, text, text, text, text, text, timestamptz, uuid, boolean);
DROP FUNCTION outbox.emit(text, text, text, jsonb, text, text, jsonb, text, timestamptz, uuid, boolean);
DROP FUNCTION outbox.emit(text, text, text, json, text, text, json, text, timestamptz, uuid, boolean);
DROP FUNCTION outbox.emit(text, text, text, text, text, text, text, text, timestamptz, uuid, boolean);
CREATE FUNCTION outbox.emit(
    aggregate_type text, aggregate_id text, event_type text, payload text,
    partition_key text DEFAULT NULL, event_version text DEFAULT NULL, headers text DEFAULT NULL,
    correlation_id text DEFAULT NULL, created_at timestamptz DEFAULT NULL, id uuid DEFAULT NULL
) RETURNS uuid
LANGUAGE sql VOLATILE
AS $emit$
    INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, payload, partition_key, event_version, headers,
                               correlation_id, created_at)
    VALUES (coalesce($10, outbox.new_event_id()), $1, $2, $3, $4::json, $5, $6, $7::json, $8, coalesce($9, clock_timestamp()))
    RETURNING events.id
$emit$;

-- == Writers: order ==
DROP TRIGGER IF EXISTS order_writers ON outbox.events;
DROP FUNCTION IF EXISTS outbox.order_writers();
DROP FUNCTION outbox.lock_key(text);
DROP TABLE outbox.writer_locks;

-- == Writers: the nil UUID ==
ALTER TABLE outbox.events DROP CONSTRAINT the_nil_uuid_is_no_event_id_leave_the_column_out;

DELETE FROM outbox.schema_version WHERE version = 2;
