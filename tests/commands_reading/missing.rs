//! "Not found" says what it can mean: another schema, no tables, published and deleted since, or never committed here.

use std::time::Duration;

use testkit::command::run;
use testkit::eventually;

use crate::commands_reading::ask::commands;
use crate::commands_reading::stage::{secret, without_exchange};

#[tokio::test]
async fn in_another_schema_it_names_the_schema_and_the_command() {
    let world = without_exchange("missing_schema").await;
    for schema in ["shop", "returns"] {
        assert_eq!(run(&world.bed, &["migrate", "--schema", schema]).await.code, Some(0));
    }
    world.execute("SELECT shop.emit('Order', 'order-1', 'order.created', '{}')").await;
    let answer = run(&world.bed, &["trace", "order-1", "--json"]).await;
    assert_eq!(answer.code, Some(1));
    let document = answer.json();
    assert_eq!((document["found"].as_bool(), document["kind"].as_str()), (Some(false), Some("other_schema")));
    assert_eq!(commands(&document), ["outbox-relay trace --schema shop order-1"]);
    assert_eq!(document["other_schemas"].as_array().map(Vec::len), Some(2), "{document}");
    let shown = run(&world.bed, &["trace", "order-1"]).await;
    assert!(shown.stdout.contains("the schema shop has it: 1 event"), "{}", shown.stdout);
    assert!(shown.stderr.contains("'order-1' was not found in the schema 'outbox'"), "{}", shown.stderr);
}

#[tokio::test]
async fn without_tables_it_says_so_and_still_looks_elsewhere() {
    let mut world = without_exchange("missing_tables").await;
    world.commit("order-1", secret(&["order.created"])).await;
    let answer = run(&world.bed, &["trace", "order-1", "--schema", "nowhere", "--json"]).await;
    assert_eq!(answer.code, Some(1));
    let document = answer.json();
    assert_eq!(document["kind"].as_str(), Some("no_tables"));
    assert_eq!(commands(&document), ["outbox-relay trace order-1", "outbox-relay migrate --schema nowhere"]);
}

#[tokio::test]
async fn deleted_since_says_how_far_back_published_events_go() {
    let world = without_exchange("missing_deleted").await;
    world
        .execute(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
             SELECT 'Order', 'order-' || n, 'order.created', '{}', clock_timestamp() - n * interval '1 hour' FROM generate_series(1, 50) n;
             INSERT INTO outbox.replays (source, selection, requested_by) VALUES ('published', '{\"aggregate_id\": \"order-99\"}', 'ana')",
        )
        .await;
    let answer = run(&world.bed, &["trace", "order-99"]).await;
    assert_eq!(answer.code, Some(1));
    assert!(answer.stdout.contains("(2d 2h ago); older ones are gone"), "{}", answer.stdout);
    assert!(answer.stdout.contains("by ana at"), "{}", answer.stdout);
}

#[tokio::test]
async fn never_committed_shows_the_transactions_that_are_still_open() {
    let world = without_exchange("missing_open").await;
    let open = world.bed.client().await;
    open.batch_execute(
        "SET application_name = 'order-service'; BEGIN; SELECT outbox.emit('Order', 'order-1', 'order.created', '{}')",
    )
    .await
    .expect("an event is inserted");
    let seen = async || {
        let document = run(&world.bed, &["trace", "order-1", "--json"]).await.json();
        document["open_transactions"].as_array().is_some_and(|list| {
            list.iter().any(|one| one["application_name"] == "order-service" && one["state"] == "idle in transaction")
        })
    };
    eventually(Duration::from_secs(20), "the open transaction is shown after 5 s", seen).await;
    let answer = run(&world.bed, &["trace", "order-1"]).await;
    assert_eq!(answer.code, Some(1));
    assert!(answer.stdout.contains("order-service as"), "{}", answer.stdout);
    open.batch_execute("COMMIT").await.expect("committed");
    assert_eq!(run(&world.bed, &["trace", "order-1"]).await.code, Some(0));
}

#[tokio::test]
async fn a_role_that_may_not_see_other_sessions_is_told_so() {
    let world = without_exchange("missing_hidden").await;
    let role = testkit::process::unique("reader");
    world
        .execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA outbox TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA outbox TO {role};
             GRANT SELECT ON ALL SEQUENCES IN SCHEMA outbox TO {role}"
        ))
        .await;
    let answer = run(&world.bed, &["trace", "order-1", "--database-user", &role, "--json"]).await;
    let hidden = answer.json()["hidden_sessions"].as_i64();
    let status = run(&world.bed, &["status", "--database-user", &role]).await;
    world.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    assert!(hidden.is_some_and(|hidden| hidden > 0), "{}", answer.stdout);
    assert_eq!(status.code, Some(0), "{}", status.stderr);
    assert!(status.stdout.contains("GRANT pg_read_all_stats"), "{}", status.stdout);
}
