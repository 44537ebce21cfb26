-- Requests to other services whose answer somebody waits for. Whichever replica hears the answer says so here. A row of a replica that has
-- died is deleted once it has expired.
CREATE TABLE IF NOT EXISTS order_service.replies (
    request_id  text        PRIMARY KEY CHECK (octet_length(request_id) BETWEEN 1 AND 255),
    is_answered boolean     NOT NULL DEFAULT false,
    expires_at  timestamptz NOT NULL
)
