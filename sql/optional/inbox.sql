-- The inbox: which messages a consumer has handled. For the database of a consumer, which need not be the relay's; run it as the owner,
-- any number of times. `order-domain` and the recipes in docs use this table; `DROP SCHEMA inbox CASCADE` removes it.
--
-- In the transaction that handles a message, before its effect:
--     INSERT INTO inbox.handled_messages (consumer, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
-- No row was inserted: the message was handled before; acknowledge it and do nothing. A second transaction with the same message waits here
-- until the first one ends. Acknowledge after COMMIT, never before.
--
-- consumer: a name of yours for what handles the message. Two consumers in one database have two names, or one of them handles nothing.
-- message_id: the AMQP message_id as text. A queue that gets one event by two routes sees one id twice and handles it once; where
-- both are to be handled, add the route to the id.
--
-- Keep a mark longer than any sender may repeat a message: 14 days, and at least 8 (the relay keeps what it has published for 7 by default,
-- and replays from that). Delete in chunks, each its own transaction, until one deletes no row:
--     WITH old AS MATERIALIZED (
--         SELECT consumer, message_id FROM inbox.handled_messages WHERE handled_at < now() - interval '14 days'
--         ORDER BY handled_at LIMIT 1000 FOR UPDATE SKIP LOCKED
--     )
--     DELETE FROM inbox.handled_messages AS mark USING old WHERE (mark.consumer, mark.message_id) = (old.consumer, old.message_id)
CREATE SCHEMA IF NOT EXISTS inbox;

CREATE TABLE IF NOT EXISTS inbox.handled_messages (
    consumer   text        NOT NULL CHECK (octet_length(consumer) BETWEEN 1 AND 255),
    -- Text, so that every driver can pass it; long enough for an id of 255 bytes with a route.
    message_id text        NOT NULL CHECK (octet_length(message_id) BETWEEN 1 AND 1024),
    -- The time of the transaction that handled it.
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, message_id)
);

-- For the clean-up alone.
CREATE INDEX IF NOT EXISTS handled_messages_by_time ON inbox.handled_messages (handled_at);
