-- What the Notification Service was asked to tell, written with the event that asks. `request` is the event's payload: another
-- channel is asked for with it, once: `is_fallback` says that this is such a request. `client_key` is the key that a client chose, with a checksum of its request.
CREATE TABLE IF NOT EXISTS order_service.notifications (
    notification_id   text        PRIMARY KEY CHECK (octet_length(notification_id) BETWEEN 1 AND 255),
    order_id          text        NOT NULL CHECK (octet_length(order_id) BETWEEN 1 AND 255),
    notification_type text        NOT NULL,
    channels          text[]      NOT NULL,
    idempotency_key   text        NOT NULL,
    client_key        text        UNIQUE,
    request_sha256    bytea,
    is_fallback       boolean     NOT NULL,
    requested_at      timestamptz NOT NULL,
    request           json        NOT NULL,
    CHECK ((client_key IS NULL) = (request_sha256 IS NULL))
)
