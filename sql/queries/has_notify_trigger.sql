-- Whether inserts wake listening relays: the optional trigger of `migrate --with-notify` exists and is enabled.
SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t
               WHERE t.tgrelid = to_regclass('outbox.events') AND t.tgname = 'notify_relays' AND t.tgenabled IN ('O', 'A')) AS is_there
