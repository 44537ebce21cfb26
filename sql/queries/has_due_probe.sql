-- Whether a look for a probe might find something: a cheap question, because mostly nothing is on hold. Answers yes where row security or a
-- standby might hide rows: the transaction of the look then reports what is wrong.
SELECT EXISTS (SELECT FROM outbox.holds WHERE kind <> 'operator' AND next_probe_at <= statement_timestamp())
  OR row_security_active('outbox.holds') OR current_setting('transaction_read_only')::boolean
