-- Takes, before the first look into an index, the table locks that settling needs. A REINDEX TABLE then waits for the batch, or the batch
-- for it; without this each holds what the other one waits for, and the deadlock costs the batch its marks (measured).
-- The UPDATE of nothing does the same where a relay may update only a column, which LOCK TABLE does not accept. Takes no transaction id.
LOCK TABLE outbox.events, outbox.waits, outbox.holds IN ROW EXCLUSIVE MODE;
UPDATE outbox.lanes SET floor = floor WHERE false
