-- For operators who inspect and repair: reads everything, replays, resolves dead letters, purges, holds and releases. No DDL.
GRANT USAGE ON SCHEMA outbox TO the_role;
GRANT SELECT ON ALL TABLES IN SCHEMA outbox TO the_role;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA outbox TO the_role;
GRANT INSERT, UPDATE (published_at, seq, replay_id, only_routes, first_published_at, first_seq), DELETE ON outbox.events TO the_role;
GRANT UPDATE (floor) ON outbox.lanes TO the_role;
GRANT INSERT, UPDATE, DELETE ON outbox.holds, outbox.waits TO the_role;
GRANT INSERT, UPDATE (processed_at, resolution, resolved_by, note), DELETE ON outbox.dead_letters TO the_role;
GRANT INSERT, UPDATE ON outbox.replays TO the_role;
GRANT EXECUTE ON FUNCTION outbox.readable(text) TO the_role;
-- Lets it read the tables of a later version before the grants are renewed.
ALTER DEFAULT PRIVILEGES IN SCHEMA outbox GRANT SELECT ON TABLES TO the_role;
