-- A migration may wait for those of other instances, and for its own work, longer than a request may: until the transaction ends.
SELECT set_config('lock_timeout', '60s', true), set_config('statement_timeout', '120s', true)
