-- What the Product Service has told of a product, as far as an order needs it. `body` is what the domain merges and reads.
CREATE TABLE IF NOT EXISTS order_service.products (
    product_id text        PRIMARY KEY CHECK (octet_length(product_id) BETWEEN 1 AND 255),
    body       json        NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
)
