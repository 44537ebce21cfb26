-- Takes, before the first look into an index, the table locks that settling needs. A REINDEX TABLE then waits for the batch, or the batch
-- for it. Without this each holds what the other waits for, and the deadlock costs the batch its marks (measured). Takes no transaction id.
LOCK TABLE outbox.events, outbox.waits, outbox.holds IN ROW EXCLUSIVE MODE
