-- Whether the relay's tables are there.
-- $1 the outbox's schema.
SELECT to_regclass(quote_ident($1::text) || '.events') IS NOT NULL
