-- Locks a job that is due and that no other replica does, and says how far it has come.
-- $1 name.
SELECT progress FROM order_service.jobs WHERE name = $1::text AND next_at <= now() FOR UPDATE SKIP LOCKED
