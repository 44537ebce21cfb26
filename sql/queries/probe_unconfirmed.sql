-- Has the holds probed soon of what does not confirm: the connection that owed the confirms has ended. Not at once, so that what the new
-- connection can do is known before.
UPDATE outbox.holds SET next_probe_at = statement_timestamp() + interval '1 second'
WHERE kind = 'unconfirmed' AND next_probe_at > statement_timestamp() + interval '1 second'
