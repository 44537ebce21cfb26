//! From version 1 to the newest and back: the events of version 1 survive, and so do the grants that somebody gave by hand.

use testkit::TestBed;
use tokio_postgres::Client;

use crate::migrate::command::{migrate_at, migrated, versions};

const FIRST: &str = include_str!("../../sql/migrations/0001_outbox.up.sql");
const SECOND_DOWN: &str = include_str!("../../sql/migrations/0002_both_ends.down.sql");

/// Every kind of row that version 1 has, the nil UUID among them.
const ROWS: &str = "
    INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, payload, headers) VALUES
        ('6f0ee0b6-74a5-4c3e-9d0f-0a3c5fd0a111', 'Order', 'order-1', 'order.created', '{ \"n\":1, \"n\":2 }', '{\"a\": \"b\"}'),
        ('00000000-0000-0000-0000-000000000000', 'Order', 'order-2', 'order.created', '{}', NULL);
    INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at, replay_id, only_routes)
        VALUES ('Order', 'order-3', 'order.paid', '{}', now(), gen_random_uuid(), '{a}');
    INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
        SELECT aggregate_id, lane, id, seq, 'retry', now() FROM outbox.events WHERE aggregate_id = 'order-2';
    INSERT INTO outbox.holds (scope, route, kind, reason, held_by) VALUES ('route', 'all', 'operator', 'me', 'me');
    INSERT INTO outbox.dead_letters (id, seq, aggregate_type, aggregate_id, event_type, payload, created_at, lane, original_event,
                                     failure_reason, attempts)
        SELECT id, 0, 'Order', 'order-4', 'order.paid', '{}', now(), 0, '{}', 'UNROUTABLE', 4
        FROM outbox.events WHERE aggregate_id = 'order-2';
    INSERT INTO outbox.replays (source, selection, requested_by) VALUES ('published', '{}', 'me');
    UPDATE outbox.lanes SET floor = 2;
";

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

async fn text(client: &Client, sql: &str) -> String {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

/// The columns that version 1 has, without the ids: the nil UUID is what changes.
async fn contents(client: &Client) -> String {
    let all = "SELECT concat_ws(E'\\n',
        (SELECT string_agg(concat_ws('|', seq, aggregate_id, event_type, payload, headers, created_at, lane, replay_id, only_routes,
                                     published_at), E'\\n' ORDER BY seq) FROM outbox.events),
        (SELECT string_agg(concat_ws('|', key, lane, seq, reason, until, attempts), E'\\n') FROM outbox.waits),
        (SELECT string_agg(h::text, E'\\n') FROM (SELECT scope, route, kind, reason, since FROM outbox.holds) h),
        (SELECT string_agg(concat_ws('|', dead_letter_id, seq, aggregate_id, payload, failure_reason), E'\\n') FROM outbox.dead_letters),
        (SELECT string_agg(r::text, E'\\n') FROM (SELECT id, source, selection::text FROM outbox.replays) r),
        (SELECT sum(floor)::text FROM outbox.lanes))";
    text(client, all).await
}

/// A database at version 1, as the first `migrate` left it.
async fn at_version_1(name: &str) -> TestBed {
    let bed = TestBed::new(name).await;
    let printed = migrate_at(&["--print"]).await.stdout;
    let record = printed.lines().find(|line| line.contains("schema_version (version") && line.contains("VALUES (1,"));
    let client = bed.client().await;
    run(&client, FIRST).await;
    run(&client, record.expect("the record of version 1")).await;
    bed
}

#[tokio::test]
async fn the_rows_of_version_1_survive_and_the_nil_uuid_gets_an_id_of_its_own() {
    let bed = at_version_1("upgraded").await;
    let client = bed.client().await;
    run(&client, ROWS).await;
    let before = contents(&client).await;
    assert!(before.lines().count() >= 8, "{before}");
    assert!(migrated(&bed, &[]).await.contains("is now at version 2"));
    assert_eq!(contents(&client).await, before);
    let nil =
        "SELECT concat_ws(',', (SELECT count(*) FROM outbox.events WHERE id = '00000000-0000-0000-0000-000000000000'),
               (SELECT count(*) FROM outbox.dead_letters WHERE id = '00000000-0000-0000-0000-000000000000'),
               (SELECT count(*) FROM outbox.waits w JOIN outbox.events e ON e.id = w.event_id AND e.seq = w.seq))";
    assert_eq!(text(&client, nil).await, "0,0,1", "and the wait knows the new id");
    run(&client, SECOND_DOWN).await;
    assert_eq!(contents(&client).await, before, "also on the way back");
    assert_eq!(versions(&bed).await, [1]);
    run(&client, "SELECT outbox.emit('Order', 'order-9', 'order.created', '{}')").await;
    assert!(migrated(&bed, &[]).await.contains("is now at version 2"), "and forth again");
}

#[tokio::test]
async fn a_role_that_may_call_the_first_emit_may_call_the_one_that_takes_its_place() {
    let bed = at_version_1("upgraded grants").await;
    let client = bed.client().await;
    let role = format!("{}_w", bed.name());
    let granted = format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA outbox TO {role}; REVOKE EXECUTE ON FUNCTION outbox.emit FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION outbox.emit TO {role};
         GRANT INSERT, SELECT (id) ON outbox.events TO {role}"
    );
    run(&client, &granted).await;
    migrated(&bed, &[]).await;
    let emit = "SELECT outbox.emit('Order', 'order-1', 'order.created', '{}')";
    run(&client, &format!("SET ROLE {role}; {emit}; RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn the_nil_uuid_is_refused_with_words() {
    let bed = TestBed::new("nil id").await;
    migrated(&bed, &[]).await;
    let insert = "INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, payload)
                  VALUES ('00000000-0000-0000-0000-000000000000', 'Order', 'order-1', 'order.created', '{}')";
    let error = bed.client().await.batch_execute(insert).await.expect_err("the nil UUID");
    let error = error.as_db_error().expect("the server's answer");
    assert!(error.message().contains("the_nil_uuid_is_no_event_id_leave_the_column_out"), "{error:?}");
}

/// The forms in which drivers bind a payload; what arrives is text again, and only jsonb changes it.
#[tokio::test]
async fn emit_and_append_take_text_json_and_jsonb() {
    let bed = TestBed::new("typed payloads").await;
    migrated(&bed, &[]).await;
    let client = bed.client().await;
    for (payload, headers, expected) in [
        ("'{\"b\":1,  \"a\":2}'", "'{\"h\":  \"1\"}'", "{\"b\":1,  \"a\":2}|{\"h\":  \"1\"}"),
        ("'{\"b\":1,  \"a\":2}'::varchar", "'{\"h\":  \"1\"}'::varchar", "{\"b\":1,  \"a\":2}|{\"h\":  \"1\"}"),
        ("json '{\"b\":1,  \"a\":2}'", "'{\"h\":  \"1\"}'", "{\"b\":1,  \"a\":2}|{\"h\":  \"1\"}"),
        ("jsonb '{\"b\":1,  \"a\":2}'", "jsonb '{\"h\":  \"1\"}'", "{\"a\": 2, \"b\": 1}|{\"h\": \"1\"}"),
    ] {
        for call in ["SELECT outbox.emit", "CALL outbox.append"] {
            run(&client, &format!("{call}('Order', 'order-1', 'order.paid', {payload}, headers => {headers})")).await;
            let last = "SELECT concat_ws('|', payload, headers) FROM outbox.events ORDER BY seq DESC LIMIT 1";
            assert_eq!(text(&client, last).await, expected, "{call} {payload}");
        }
    }
}

/// Every column that a writer fills, with a value over its limit and the words of the refusal. A payload over 512 MiB is left to the catalog.
#[tokio::test]
async fn every_column_that_a_writer_fills_has_a_limit_and_the_refusal_names_it() {
    let bed = TestBed::new("limits").await;
    migrated(&bed, &[]).await;
    let client = bed.client().await;
    let limited = "SELECT string_agg(a.attname, ' ' ORDER BY a.attname)
        FROM pg_attribute a
        WHERE a.attrelid = 'outbox.events'::regclass AND a.atttypid IN ('text'::regtype, 'json'::regtype) AND a.attnum > 0
          AND EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = a.attrelid AND c.contype = 'c' AND a.attnum = ANY(c.conkey))";
    let all = "aggregate_id aggregate_type correlation_id event_type event_version headers partition_key payload";
    assert_eq!(text(&client, limited).await, all);
    let def = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'payload_has_at_most_512_mib'";
    assert!(text(&client, def).await.contains("pg_column_size(payload) <= 536870916"));
    let row = |column: &str, value: &str| {
        let with = |name: &str, other: &str| if name == column { value.to_owned() } else { other.to_owned() };
        let of: Vec<String> = [
            ("aggregate_type", "'Order'"),
            ("aggregate_id", "'order-1'"),
            ("event_type", "'order.paid'"),
            ("payload", "'{}'"),
            ("partition_key", "NULL"),
            ("event_version", "NULL"),
            ("headers", "NULL"),
            ("correlation_id", "NULL"),
        ]
        .into_iter()
        .map(|(name, other)| with(name, other))
        .collect();
        format!(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, partition_key, event_version, headers,
                                        correlation_id) VALUES ({})",
            of.join(", ")
        )
    };
    let json = |bytes: usize| format!("('{{\"h\":\"' || repeat(chr(1 + 64), {bytes} - 8) || '\"}}')::json");
    for (column, most, over, words) in [
        ("aggregate_type", "repeat('x', 255)".to_owned(), "repeat('x', 256)".to_owned(), "events_aggregate_type_check"),
        ("aggregate_id", "repeat('x', 255)".into(), "repeat('x', 256)".into(), "events_aggregate_id_check"),
        ("event_type", "repeat('x', 1024)".into(), "repeat('x', 1025)".into(), "events_event_type_check"),
        ("partition_key", "repeat('x', 255)".into(), "repeat('x', 256)".into(), "events_partition_key_check"),
        ("event_version", "repeat('x', 255)".into(), "repeat('x', 256)".into(), "events_event_version_check"),
        ("headers", json(256 << 10), json((256 << 10) + 1), "headers_have_at_most_256_kib"),
        (
            "correlation_id",
            "repeat(chr(1), 1024)".into(),
            "repeat(chr(1), 185000000)".into(),
            "correlation_id_has_at_most_1024_bytes",
        ),
    ] {
        run(&client, &row(column, &most)).await;
        let error = client.batch_execute(&row(column, &over)).await.expect_err(column);
        let error = error.as_db_error().expect("the server's answer");
        assert!(error.code().code() == "23514" && error.message().contains(words), "{column}: {error:?}");
    }
}

/// Where an index is in the order of the C library, a new version of it can hide rows.
#[tokio::test]
async fn no_index_depends_on_the_order_of_the_c_library() {
    let bed = TestBed::new("collations").await;
    migrated(&bed, &[]).await;
    let others = "SELECT coalesce(string_agg(i.indexrelid::regclass::text, ' '), '')
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
        WHERE c.relnamespace = 'outbox'::regnamespace AND c.relkind = 'i' AND i.indrelid::regclass::text NOT LIKE 'pg_toast%'
          AND EXISTS (SELECT FROM unnest(i.indcollation::oid[]) AS used (oid)
                      JOIN pg_collation l ON l.oid = used.oid WHERE l.collname NOT IN ('C', 'POSIX'))";
    assert_eq!(text(&bed.client().await, others).await, "");
}

/// What `original_event` was is a view.
#[tokio::test]
async fn the_document_of_a_dead_letter_is_put_together_from_its_columns() {
    let bed = at_version_1("documents").await;
    let client = bed.client().await;
    run(&client, ROWS).await;
    migrated(&bed, &[]).await;
    let document = "SELECT concat_ws('|', original_event->>'aggregate_id', original_event->>'payload', failure_reason, processed_at)
                    FROM outbox.dead_letter_documents";
    assert_eq!(text(&client, document).await, "order-4|{}|UNROUTABLE");
    let column = "SELECT count(*)::text FROM information_schema.columns WHERE table_name = 'dead_letters' AND column_name = 'original_event'";
    assert_eq!(text(&client, column).await, "0");
    run(&client, SECOND_DOWN).await;
    assert_eq!(text(&client, "SELECT original_event->>'aggregate_id' FROM outbox.dead_letters").await, "order-4");
}
