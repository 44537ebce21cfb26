-- Records an applied migration. The values are written into the text, because `migrate --print` prints it.
-- $1 version, $2 oldest relay that runs on it, $3 checksum.
INSERT INTO outbox.schema_version (version, min_relay_version, checksum) VALUES ($1, $2, '$3');
