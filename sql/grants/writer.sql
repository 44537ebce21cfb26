-- For the producer: inserts events, and reads the table of its own service. It cannot mark, move, change or delete events.
GRANT USAGE ON SCHEMA outbox TO the_role;
GRANT INSERT (id, aggregate_type, aggregate_id, event_type, payload, partition_key, event_version, headers, correlation_id, created_at)
    ON outbox.events TO the_role;
GRANT SELECT ON outbox.events TO the_role;
GRANT EXECUTE ON FUNCTION outbox.new_event_id, outbox.lock_key TO the_role;
GRANT EXECUTE ON FUNCTION
    outbox.emit(text, text, text, text, text, text, text, text, timestamptz, uuid, boolean),
    outbox.emit(text, text, text, json, text, text, json, text, timestamptz, uuid, boolean),
    outbox.emit(text, text, text, jsonb, text, text, jsonb, text, timestamptz, uuid, boolean) TO the_role;
GRANT EXECUTE ON PROCEDURE
    outbox.append(text, text, text, text, text, text, text, text, timestamptz, uuid, boolean),
    outbox.append(text, text, text, json, text, text, json, text, timestamptz, uuid, boolean),
    outbox.append(text, text, text, jsonb, text, text, jsonb, text, timestamptz, uuid, boolean) TO the_role;
