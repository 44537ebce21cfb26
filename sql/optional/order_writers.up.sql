-- Opt-in: writers of one key take turns, so that the events of a key have the order in which their transactions commit, also where an ORM
-- inserts the event before it changes the aggregate. The trigger locks the key's row of outbox.writer_locks and only then draws the seq; the
-- one that the column's default drew is left unused. What a replay brings back keeps its seq.
CREATE OR REPLACE FUNCTION outbox.order_writers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
    PERFORM FROM outbox.writer_locks
    WHERE slot = (hashtextextended(coalesce(NEW.partition_key, NEW.aggregate_id), 0) & 1023)::smallint
    FOR UPDATE;
    NEW.seq := nextval('outbox.events_seq_seq');
    RETURN NEW;
END
$body$;
DROP TRIGGER IF EXISTS order_writers ON outbox.events;
CREATE TRIGGER order_writers BEFORE INSERT ON outbox.events
    FOR EACH ROW WHEN (NEW.replay_id IS NULL) EXECUTE FUNCTION outbox.order_writers();
