-- Every privilege that a relay needs, and whether this role has it. Reads the catalog, so a missing privilege is a row, not an error.
-- $1 schema.
WITH needed (object, privilege) AS (
    VALUES ('events', 'SELECT'), ('events', 'UPDATE'), ('events', 'DELETE'), ('lanes', 'SELECT'), ('lanes', 'UPDATE'),
           ('holds', 'SELECT'), ('holds', 'INSERT'), ('holds', 'UPDATE'), ('holds', 'DELETE'),
           ('waits', 'SELECT'), ('waits', 'INSERT'), ('waits', 'UPDATE'), ('waits', 'DELETE'),
           ('relays', 'SELECT'), ('relays', 'INSERT'), ('relays', 'UPDATE'), ('relays', 'DELETE'),
           ('flows', 'SELECT'), ('flows', 'INSERT'), ('dead_letters', 'INSERT'), ('upkeep', 'SELECT'), ('upkeep', 'UPDATE'), ('schema_version', 'SELECT'),
           ('events_seq_seq', 'SELECT')
), schema AS (
    SELECT oid FROM pg_namespace WHERE nspname = $1
)
SELECT 'schema' AS object, 'USAGE' AS privilege, coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM schema), false) AS is_granted,
       EXISTS (SELECT FROM schema) AS is_there
UNION ALL
SELECT n.object, n.privilege,
       CASE WHEN c.oid IS NULL THEN false
            WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, n.privilege)
            WHEN n.object = 'events' AND n.privilege = 'UPDATE' THEN has_column_privilege(c.oid, 'published_at', 'UPDATE')
            WHEN n.object = 'lanes' AND n.privilege = 'UPDATE' THEN has_column_privilege(c.oid, 'floor', 'UPDATE')
            WHEN n.object = 'upkeep' AND n.privilege = 'UPDATE'
                THEN has_column_privilege(c.oid, 'last_run_at', 'UPDATE') AND has_column_privilege(c.oid, 'run_by', 'UPDATE')
            ELSE has_table_privilege(c.oid, n.privilege) END,
       c.oid IS NOT NULL
FROM needed n
LEFT JOIN pg_class c ON c.relname = n.object AND c.relnamespace = (SELECT oid FROM schema)
ORDER BY object, privilege
