-- Marks a message as handled, in the transaction that handles it. Waits for another transaction that handles the same message; no row is
-- inserted where it was handled before. $1 the consumer's name, $2 the message's id.
INSERT INTO inbox.handled_messages (consumer, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
