-- Messages from other services that could not be handled. `original_event` is the body, as text where it is UTF-8 without NUL and in
-- base64 where not; of a body that is over the limit, its beginning alone. `processed_at` is null until a person has replayed or
-- resolved it.
CREATE TABLE IF NOT EXISTS order_service.dead_letters (
    id             bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    queue          text        NOT NULL,
    routing_key    text        NOT NULL,
    message_id     text        NOT NULL CHECK (octet_length(message_id) BETWEEN 1 AND 1024),
    correlation_id text,
    traceparent    text,
    sent_at        timestamptz,
    failure_reason text        NOT NULL,
    detail         text,
    attempts       integer     NOT NULL CHECK (attempts >= 0),
    original_event text        NOT NULL,
    encoding       text        NOT NULL CHECK (encoding IN ('utf-8', 'base64')),
    is_whole       boolean     NOT NULL,
    body_bytes     bigint      NOT NULL,
    dead_at        timestamptz NOT NULL DEFAULT now(),
    processed_at   timestamptz,
    resolution     text        CHECK (resolution IN ('REPLAYED', 'RESOLVED')),
    resolved_by    text,
    note           text,
    CHECK ((processed_at IS NULL) = (resolution IS NULL) AND (processed_at IS NULL) = (resolved_by IS NULL))
)
