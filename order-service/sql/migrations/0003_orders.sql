-- An order is a row: the JSON that the domain writes and reads, and the columns that are searched for. The client's key
-- and a checksum of its request stand in the same row, so that an order and its key exist together or not at all.
CREATE TABLE IF NOT EXISTS order_service.orders (
    id              text        PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 255),
    number          bigint      NOT NULL UNIQUE,
    idempotency_key text        NOT NULL UNIQUE CHECK (octet_length(idempotency_key) BETWEEN 1 AND 255),
    request_sha256  bytea       NOT NULL,
    user_id         text        NOT NULL CHECK (octet_length(user_id) BETWEEN 1 AND 255),
    status          text        NOT NULL,
    version         bigint      NOT NULL,
    currency        text        NOT NULL,
    total           numeric     NOT NULL,
    item_count      integer     NOT NULL,
    created_at      timestamptz NOT NULL,
    body            json        NOT NULL
)
