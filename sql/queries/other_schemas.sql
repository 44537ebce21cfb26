-- Other schemas of this database with outbox tables, and whether this role can read them.
-- $1 the schema that was searched.
SELECT n.nspname::text AS schema,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(e.oid, 'SELECT') AND has_table_privilege(d.oid, 'SELECT') AS can_read
FROM pg_namespace n
JOIN pg_class e ON e.relnamespace = n.oid AND e.relname = 'events'
JOIN pg_class w ON w.relnamespace = n.oid AND w.relname = 'waits'
JOIN pg_class d ON d.relnamespace = n.oid AND d.relname = 'dead_letters'
JOIN pg_class v ON v.relnamespace = n.oid AND v.relname = 'schema_version'
WHERE n.nspname <> $1
ORDER BY 1
LIMIT 10
