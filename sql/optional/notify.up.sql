-- Optional: every statement that inserts or replays events wakes the relays (`run --wake listen`); a mark does not. Not the default, because NOTIFY serialises every
-- commit in the cluster.
CREATE OR REPLACE FUNCTION outbox.notify_relays() RETURNS trigger
LANGUAGE plpgsql
AS $body$
BEGIN
    PERFORM pg_notify(TG_TABLE_SCHEMA || '_events', '');
    RETURN NULL;
END
$body$;
DROP TRIGGER IF EXISTS notify_relays ON outbox.events;
CREATE TRIGGER notify_relays AFTER INSERT OR UPDATE OF replay_id ON outbox.events FOR EACH STATEMENT EXECUTE FUNCTION outbox.notify_relays();
