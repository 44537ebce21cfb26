-- The schema's version, and the oldest relay that may run on it.
SELECT max(version) AS version, max(min_relay_version) AS min_relay_version FROM outbox.schema_version
