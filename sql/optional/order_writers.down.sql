-- Back to writers that take no lock of the outbox.
DROP TRIGGER IF EXISTS order_writers ON outbox.events;
DROP FUNCTION IF EXISTS outbox.order_writers();
