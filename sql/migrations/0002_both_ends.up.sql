-- Version 2. Each part has a heading of its own and leaves the rows of version 1 as they were, but for the nil UUID.

-- == Writers: the nil UUID ==
-- A mapper that forgets to set an id writes the nil UUID. It would be taken once, and collide ever after: refused from now on. What has it
-- already gets an id of its own. NOT VALID saves the scan of the whole table: there is nothing left that it could find.
DO $nil$
DECLARE
    nil   constant uuid := '00000000-0000-0000-0000-000000000000';
    fresh constant uuid := outbox.new_event_id();
BEGIN
    UPDATE outbox.waits SET event_id = fresh WHERE event_id = nil;
    UPDATE outbox.events SET id = fresh WHERE id = nil;
    UPDATE outbox.dead_letters SET id = outbox.new_event_id() WHERE id = nil AND processed_at IS NULL;
END
$nil$;
ALTER TABLE outbox.events ADD CONSTRAINT the_nil_uuid_is_no_event_id_leave_the_column_out
    CHECK (id <> '00000000-0000-0000-0000-000000000000') NOT VALID;

-- == Writers: order ==
-- Rows that writers of one key lock, so that they draw their seq one after the other: 1,024 for all keys. Rows and not advisory locks, which
-- any role that may connect could take, and which fill shared memory. Only functions of the owner's lock them.
CREATE TABLE outbox.writer_locks (
    slot smallint PRIMARY KEY CHECK (slot BETWEEN 0 AND 1023)
) WITH (fillfactor = 50);
INSERT INTO outbox.writer_locks (slot) SELECT generate_series(0, 1023);

-- Makes the other writers of this key wait until this transaction ends. For those who call it first in a transaction that changes the
-- aggregate, and for `emit (…, ordered => true)`; the trigger of `migrate --order-writers` does the same.
CREATE FUNCTION outbox.lock_key(key text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $lock$
BEGIN
    PERFORM FROM outbox.writer_locks WHERE slot = (hashtextextended($1, 0) & 1023)::smallint FOR UPDATE;
END
$lock$;

-- == Writers: emit and append ==
-- emit gets `ordered`, which makes it another function; who was granted the old one gets the new one.
CREATE FUNCTION outbox.emit(
    aggregate_type text, aggregate_id text, event_type text, payload text,
    partition_key text DEFAULT NULL, event_version text DEFAULT NULL, headers text DEFAULT NULL,
    correlation_id text DEFAULT NULL, created_at timestamptz DEFAULT NULL, id uuid DEFAULT NULL, ordered boolean DEFAULT false
) RETURNS uuid
LANGUAGE sql VOLATILE
AS $emit$
    SELECT outbox.lock_key(coalesce($5, $2)) WHERE $11;
    INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, payload, partition_key, event_version, headers,
                               correlation_id, created_at)
    VALUES (coalesce($10, outbox.new_event_id()), $1, $2, $3, cast($4 AS json), $5, $6, cast($7 AS json), $8,
            coalesce($9, clock_timestamp()))
    RETURNING events.id
$emit$;
DO $grants$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT quote_ident(r.rolname)
        FROM pg_proc p
        CROSS JOIN LATERAL aclexplode(p.proacl) a
        JOIN pg_roles r ON r.oid = a.grantee
        WHERE p.oid = 'outbox.emit(text, text, text, text, text, text, text, text, timestamptz, uuid)'::regprocedure
    LOOP
        EXECUTE 'GRANT EXECUTE ON FUNCTION outbox.emit(text, text, text, text, text, text, text, text, timestamptz, uuid, boolean) TO '
                || grantee;
    END LOOP;
END
$grants$;
DROP FUNCTION outbox.emit(text, text, text, text, text, text, text, text, timestamptz, uuid);

-- The same for drivers that bind JSON with its type. The payload of the second has lost its spaces, its order and its duplicate keys on
-- its way into jsonb: give text where consumers must get the bytes that were written.
CREATE FUNCTION outbox.emit(
    aggregate_type text, aggregate_id text, event_type text, payload json,
    partition_key text DEFAULT NULL, event_version text DEFAULT NULL, headers json DEFAULT NULL,
    correlation_id text DEFAULT NULL, created_at timestamptz DEFAULT NULL, id uuid DEFAULT NULL, ordered boolean DEFAULT false
) RETURNS uuid
LANGUAGE sql VOLATILE
AS $emit$
    SELECT outbox.emit($1, $2, $3, cast($4 AS text), $5, $6, cast($7 AS text), $8, $9, $10, $11)
$emit$;
CREATE FUNCTION outbox.emit(
    aggregate_type text, aggregate_id text, event_type text, payload jsonb,
    partition_key text DEFAULT NULL, event_version text DEFAULT NULL, headers jsonb DEFAULT NULL,
    correlation_id text DEFAULT NULL, created_at timestamptz DEFAULT NULL, id uuid DEFAULT NULL, ordered boolean DEFAULT false
) RETURNS uuid
LANGUAGE sql VOLATILE
AS $emit$
    SELECT outbox.emit($1, $2, $3, cast($4 AS text), $5, $6, cast($7 AS text), $8, $9, $10, $11)
$emit$;

-- The same as a procedure, for drivers whose update call refuses a result: CALL outbox.append(…).
CREATE PROCEDURE outbox.append(
    aggregate_type text, aggregate_id text, event_type text, payload text,
    partition_key text DEFAULT NULL, event_version text DEFAULT NULL, headers text DEFAULT NULL,
    correlation_id text DEFAULT NULL, created_at timestamptz DEFAULT NULL, id uuid DEFAULT NULL, ordered boolean DEFAULT false
)
LANGUAGE sql
AS $append$
    SELECT outbox.emit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
$append$;
CREATE PROCEDURE outbox.append(
    aggregate_type text, aggregate_id text, event_type text, payload json,
    partition_key text DEFAULT NULL, event_version text DEFAULT NULL, headers json DEFAULT NULL,
    correlation_id text DEFAULT NULL, created_at timestamptz DEFAULT NULL, id uuid DEFAULT NULL, ordered boolean DEFAULT false
)
LANGUAGE sql
AS $append$
    SELECT outbox.emit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
$append$;
CREATE PROCEDURE outbox.append(
    aggregate_type text, aggregate_id text, event_type text, payload jsonb,
    partition_key text DEFAULT NULL, event_version text DEFAULT NULL, headers jsonb DEFAULT NULL,
    correlation_id text DEFAULT NULL, created_at timestamptz DEFAULT NULL, id uuid DEFAULT NULL, ordered boolean DEFAULT false
)
LANGUAGE sql
AS $append$
    SELECT outbox.emit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
$append$;

-- == Waits: events that no route names ==
-- They wait until a relay that knows their type starts, which finds them by it. Those that are waiting now were due every 30 s.
ALTER TABLE outbox.waits ADD COLUMN no_route_type text;
UPDATE outbox.waits w SET no_route_type = e.event_type, until = 'infinity'
FROM outbox.events e
WHERE w.reason = 'no_route' AND e.id = w.event_id;
CREATE INDEX waits_no_route ON outbox.waits (no_route_type) WHERE reason = 'no_route' AND no_route_type IS NOT NULL;

-- == Holds by flow ==
-- A flow is an exchange and a routing key's template with the types filled in: `a.{key}`. A hold of the scope `flow` has the template as its
-- routing key.
ALTER TABLE outbox.holds DROP CONSTRAINT holds_scope_check;
ALTER TABLE outbox.holds ADD CONSTRAINT holds_scope_check CHECK (scope IN ('key', 'flow', 'exchange', 'route'));
-- Flows that were ever confirmed: what comes back from one of them lacks its binding, and no event is to blame.
CREATE TABLE outbox.flows (
    exchange     text        NOT NULL,
    template     text        NOT NULL,
    confirmed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (exchange, template)
);
-- A relay's role, which may put holds, may note flows.
DO $grants$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT quote_ident(r.rolname)
        FROM pg_class c
        CROSS JOIN LATERAL aclexplode(c.relacl) a
        JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = 'outbox.holds'::regclass AND a.privilege_type = 'INSERT'
    LOOP
        EXECUTE 'GRANT SELECT, INSERT ON outbox.flows TO ' || grantee;
    END LOOP;
END
$grants$;

-- == Relays ==
-- One row for each process of a relay: what it says of itself, at rest every 10 s. Operators read it; no relay decides anything by it.
CREATE TABLE outbox.relays (
    id           uuid        PRIMARY KEY,
    host         text        NOT NULL,
    pid          integer     NOT NULL,
    version      text        NOT NULL,
    started_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL,
    broker       text        NOT NULL CHECK (broker IN ('up', 'down', 'blocked')),
    broker_since timestamptz,
    broker_error text,
    confirmed_at timestamptz,
    published    bigint      NOT NULL,
    routes       text[]      NOT NULL
) WITH (fillfactor = 50);
DO $grants$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT quote_ident(r.rolname)
        FROM pg_class c
        CROSS JOIN LATERAL aclexplode(c.relacl) a
        JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = 'outbox.holds'::regclass AND a.privilege_type = 'INSERT'
    LOOP
        EXECUTE 'GRANT SELECT, INSERT, UPDATE, DELETE ON outbox.relays TO ' || grantee;
    END LOOP;
END
$grants$;

-- == Rows: limits ==
-- What a writer fills is bounded, so that no row costs more than the server can hold, and the error is the constraint's name. What AMQP cannot
-- carry but a table can is still taken: it becomes a dead letter that can be seen, not a failed order. NOT VALID: rows of version 1 stay.
-- PostgreSQL checks them again whenever a relay marks an event, so they read nothing that is stored elsewhere: the size as it is stored, which
-- for what a client writes is the size of the text and 4 bytes. A cast of the headers to text cost each INSERT 10 % more (measured).
ALTER TABLE outbox.events ADD CONSTRAINT payload_has_at_most_512_mib
    CHECK (pg_column_size(payload) <= 536870916) NOT VALID;
ALTER TABLE outbox.events ADD CONSTRAINT headers_have_at_most_256_kib
    CHECK (pg_column_size(headers) <= 262148) NOT VALID;
ALTER TABLE outbox.events ADD CONSTRAINT correlation_id_has_at_most_1024_bytes
    CHECK (octet_length(correlation_id) <= 1024) NOT VALID;

-- == Rows: keys are ordered by their bytes ==
-- Who finds the row of a key by an index must find it after the C library has changed its order of texts, too.
ALTER TABLE outbox.waits ALTER COLUMN key TYPE text COLLATE "C", ALTER COLUMN no_route_type TYPE text COLLATE "C";
ALTER TABLE outbox.holds ALTER COLUMN scope TYPE text COLLATE "C", ALTER COLUMN exchange TYPE text COLLATE "C",
    ALTER COLUMN routing_key TYPE text COLLATE "C", ALTER COLUMN route TYPE text COLLATE "C";
ALTER TABLE outbox.flows ALTER COLUMN exchange TYPE text COLLATE "C", ALTER COLUMN template TYPE text COLLATE "C";
ALTER TABLE outbox.dead_letters ALTER COLUMN aggregate_id TYPE text COLLATE "C";
ALTER TABLE outbox.upkeep ALTER COLUMN job TYPE text COLLATE "C";

-- == Rows: dead letters without a second copy ==
-- A dead letter's columns are the event. As one JSON text they were a copy that a large row could not even be made into: the document is
-- put together for who asks for it.
ALTER TABLE outbox.dead_letters DROP COLUMN original_event;
ALTER TABLE outbox.dead_letters ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE VIEW outbox.dead_letter_documents AS
SELECT d.dead_letter_id, d.id, d.failure_reason, d.dead_lettered_at, d.processed_at,
       (SELECT row_to_json(o)
        FROM (SELECT d.id, d.seq, d.aggregate_type, d.aggregate_id, d.event_type, d.partition_key, d.event_version, d.payload, d.headers,
                     d.correlation_id, d.created_at, d.lane, d.replay_id, d.only_routes) o) AS original_event
FROM outbox.dead_letters d;
DO $grants$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT quote_ident(r.rolname)
        FROM pg_class c
        CROSS JOIN LATERAL aclexplode(c.relacl) a
        JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = 'outbox.dead_letters'::regclass AND a.privilege_type = 'SELECT'
    LOOP
        EXECUTE 'GRANT SELECT ON outbox.dead_letter_documents TO ' || grantee;
    END LOOP;
END
$grants$;

-- == Rows: keys that are parked ==
-- `unreadable`: the server cannot deliver the event. `dead_letter_failed`: it was given up, and could not be moved to the dead letters.
ALTER TABLE outbox.waits DROP CONSTRAINT waits_reason_check;
ALTER TABLE outbox.waits ADD CONSTRAINT waits_reason_check
    CHECK (reason IN ('retry', 'held', 'no_route', 'unconfirmed', 'after_dead_letter', 'unreadable', 'dead_letter_failed'));

-- A text as it is where it can be sent to a client, else with its bytes that are not ASCII written as \ooo: for the columns of rows whose
-- encoding is broken, which commands must show nevertheless.
CREATE FUNCTION outbox.readable(value text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $readable$
BEGIN
    IF value IS NULL OR (octet_length(value) = length(value) AND getdatabaseencoding() = 'UTF8') THEN
        RETURN value;
    END IF;
    PERFORM convert_to(value, 'UTF8');
    RETURN value;
EXCEPTION WHEN data_exception THEN
    RETURN encode(decode(replace(value, chr(92), repeat(chr(92), 2)), 'escape'), 'escape');
END
$readable$;

-- == Replays: what they take back ==
-- When an event was published before a replay sent it again, so that `trace` shows both and `replay cancel` can restore it.
ALTER TABLE outbox.events ADD COLUMN first_published_at timestamptz;
-- Its seq before a replay gave it a new one: a consumer that guards by the highest seq compares this one.
ALTER TABLE outbox.events ADD COLUMN first_seq bigint;
ALTER TABLE outbox.dead_letters ADD COLUMN first_seq bigint;
-- Events that `replay cancel` took back.
ALTER TABLE outbox.replays ADD COLUMN cancelled bigint NOT NULL DEFAULT 0;
-- Who may replay may note it.
DO $grants$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT quote_ident(r.rolname)
        FROM pg_attribute c
        CROSS JOIN LATERAL aclexplode(c.attacl) a
        JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.attrelid = 'outbox.events'::regclass AND c.attname = 'replay_id' AND a.privilege_type = 'UPDATE'
    LOOP
        EXECUTE 'GRANT UPDATE (first_published_at, first_seq) ON outbox.events TO ' || grantee;
    END LOOP;
END
$grants$;
