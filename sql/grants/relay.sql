-- For `outbox-relay run`: claims, marks, waits, holds, dead letters and retention. No INSERT of events, no DDL.
GRANT USAGE ON SCHEMA outbox TO the_role;
GRANT SELECT ON outbox.events, outbox.lanes, outbox.holds, outbox.waits, outbox.flows, outbox.dead_letters, outbox.upkeep, outbox.schema_version
    TO the_role;
-- For `trace` in the relay's container.
GRANT SELECT ON outbox.replays TO the_role;
GRANT SELECT ON SEQUENCE outbox.events_seq_seq TO the_role;
GRANT UPDATE (published_at), DELETE ON outbox.events TO the_role;
GRANT UPDATE (floor) ON outbox.lanes TO the_role;
GRANT INSERT, UPDATE, DELETE ON outbox.holds, outbox.waits TO the_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox.relays TO the_role;
GRANT INSERT ON outbox.dead_letters, outbox.flows TO the_role;
GRANT UPDATE (last_run_at, run_by) ON outbox.upkeep TO the_role;
GRANT EXECUTE ON FUNCTION outbox.readable(text) TO the_role;
-- Lets it read the tables of a later version before the grants are renewed.
ALTER DEFAULT PRIVILEGES IN SCHEMA outbox GRANT SELECT ON TABLES TO the_role;
