-- Row-level security that hides rows from this role, and triggers and rules that the migration did not create.
-- $1 schema.
WITH tables AS (
    SELECT c.oid, c.relname::text AS name, c.relowner, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')
      AND c.relname IN ('events', 'waits', 'holds', 'lanes', 'dead_letters', 'upkeep', 'replays', 'schema_version')
), me AS (
    SELECT rolsuper OR rolbypassrls AS is_free FROM pg_roles WHERE rolname = current_user
)
SELECT t.name AS table_name, 'row_security' AS kind, '' AS name, '' AS acts_on
FROM tables t
WHERE t.relrowsecurity AND NOT (SELECT is_free FROM me) AND (t.relforcerowsecurity OR NOT pg_has_role(t.relowner, 'USAGE'))
UNION ALL
SELECT t.name, 'trigger', g.tgname::text,
       concat_ws(' or ', CASE WHEN g.tgtype & 4 > 0 THEN 'INSERT' END, CASE WHEN g.tgtype & 8 > 0 THEN 'DELETE' END,
                 CASE WHEN g.tgtype & 16 > 0 THEN 'UPDATE' END, CASE WHEN g.tgtype & 32 > 0 THEN 'TRUNCATE' END)
FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid
WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND NOT (t.name = 'events' AND g.tgname IN ('notify_relays', 'order_writers'))
UNION ALL
SELECT t.name, 'rule', r.rulename::text,
       CASE r.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' WHEN '4' THEN 'DELETE' ELSE 'SELECT' END
FROM tables t JOIN pg_rewrite r ON r.ev_class = t.oid
ORDER BY 1, 2, 3
LIMIT 50
