-- Whether any migration was ever applied to the schema.
SELECT to_regclass('outbox.schema_version') IS NOT NULL
