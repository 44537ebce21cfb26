-- Why a person should look at an order: each reason once for each subject (a notification, a line, a product, a payment).
CREATE TABLE IF NOT EXISTS order_service.reviews (
    id        bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    order_id  text        NOT NULL CHECK (octet_length(order_id) BETWEEN 1 AND 255),
    reason    text        NOT NULL,
    subject   text        NOT NULL CHECK (octet_length(subject) BETWEEN 1 AND 512),
    message   text        NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_id, reason, subject)
)
