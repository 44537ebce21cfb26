-- The checksum with which a migration was applied.
-- $1 version.
SELECT checksum FROM outbox.schema_version WHERE version = $1
