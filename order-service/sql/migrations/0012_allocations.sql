-- What Inventory has done for a line of an order. No row means that it has said nothing yet. `body` is what the domain merges and
-- reads: every allocation of the line with the time of its latest event.
CREATE TABLE IF NOT EXISTS order_service.allocations (
    order_id      text NOT NULL CHECK (octet_length(order_id) BETWEEN 1 AND 255),
    order_item_id text NOT NULL CHECK (octet_length(order_item_id) BETWEEN 1 AND 255),
    state         text NOT NULL,
    body          json NOT NULL,
    PRIMARY KEY (order_id, order_item_id)
)
