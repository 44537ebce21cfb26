-- Whether the events table is still as the migration made it: the payload's type, the lane's expression, the valid indexes.
-- $1 schema.
SELECT (SELECT t.typname::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = e.oid AND a.attname = 'payload') AS payload_type,
       (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a
        JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = e.oid AND a.attname = 'lane' AND a.attgenerated = 's') AS lane,
       (SELECT array_agg(i.relname::text) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
        WHERE x.indrelid = e.oid AND x.indisvalid AND x.indisready) AS indexes,
       EXISTS (SELECT FROM pg_trigger g
               WHERE g.tgrelid = e.oid AND NOT g.tgisinternal AND g.tgname = 'notify_relays' AND g.tgenabled <> 'D') AS has_notify_trigger,
       EXISTS (SELECT FROM pg_trigger g
               WHERE g.tgrelid = e.oid AND NOT g.tgisinternal AND g.tgname = 'order_writers' AND g.tgenabled <> 'D') AS has_order_writers
FROM pg_class e JOIN pg_namespace n ON n.oid = e.relnamespace
WHERE n.nspname = $1 AND e.relname = 'events'
