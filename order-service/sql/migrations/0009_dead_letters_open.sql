-- One open dead letter for each message: a copy that comes again before its acknowledgement is the same one.
CREATE UNIQUE INDEX IF NOT EXISTS dead_letters_open ON order_service.dead_letters (queue, message_id) WHERE processed_at IS NULL
