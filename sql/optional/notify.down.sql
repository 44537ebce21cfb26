-- Back to polling only.
DROP TRIGGER IF EXISTS notify_relays ON outbox.events;
DROP FUNCTION IF EXISTS outbox.notify_relays();
