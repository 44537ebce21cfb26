-- Prepared transactions of this database that have written to the outbox, oldest first: floors and vacuum wait for them, and the locks of
-- their writers with them. Nothing ends them but COMMIT PREPARED and ROLLBACK PREPARED.
SELECT p.gid, p.owner::text AS role, extract(epoch FROM clock_timestamp() - p.prepared)::bigint AS age_seconds
FROM pg_prepared_xacts p
WHERE p.database = current_database() AND p.prepared < clock_timestamp() - interval '5 seconds'
  AND EXISTS (SELECT FROM pg_locks own
              JOIN pg_locks l ON l.virtualtransaction = own.virtualtransaction AND l.pid IS NULL
              WHERE own.locktype = 'transactionid' AND own.transactionid = p.transaction AND own.pid IS NULL
                AND l.relation = 'outbox.events'::regclass AND l.mode = 'RowExclusiveLock')
ORDER BY p.prepared
LIMIT 20
