-- The slow jobs, each with when it is due and how far it has come. Whoever finds one due and locks its row does it: one replica at a time.
CREATE TABLE IF NOT EXISTS order_service.jobs (
    name     text        PRIMARY KEY,
    next_at  timestamptz NOT NULL,
    progress text        NOT NULL DEFAULT ''
)
