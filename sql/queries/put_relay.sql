-- A relay's heartbeat: one row for each process, by which operators see what it says of itself. Times come as ages, so that only the
-- database's clock counts.
-- $1 process, $2 host, $3 pid, $4 version, $5 its age, $6 broker state, $7 the age of that state (null: never connected), $8 kind of the
-- broker's last error, $9 the age of the last confirm (null: none), $10 events published, $11 routes. Ages in milliseconds.
INSERT INTO outbox.relays AS r (id, host, pid, version, started_at, seen_at, broker, broker_since, broker_error, confirmed_at, published, routes)
VALUES ($1, $2, $3, $4, clock_timestamp() - $5::bigint * interval '1 millisecond', clock_timestamp(), $6,
        clock_timestamp() - $7::bigint * interval '1 millisecond', $8, clock_timestamp() - $9::bigint * interval '1 millisecond', $10, $11)
ON CONFLICT (id) DO UPDATE
SET seen_at = excluded.seen_at, broker = excluded.broker, broker_since = excluded.broker_since, broker_error = excluded.broker_error,
    confirmed_at = excluded.confirmed_at, published = excluded.published
