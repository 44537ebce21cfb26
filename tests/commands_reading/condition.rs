//! The first line of `status`: what is wrong with the whole outbox, from what the relays say of themselves; and that reading commands answer
//! where nothing can be written.

use std::time::Duration;

use serde_json::Value;
use testkit::command::{Command, document, run};
use testkit::patience::SOON;
use testkit::process::Signal;
use testkit::urls::{addr_of, with_addr};
use testkit::world::UNBOUND;
use testkit::{Faults, Proxy, Relay, World, eventually};

use crate::commands_reading::stage::{secret, stage};

/// Waits until the condition is this, for this reason.
async fn becomes(world: &World, condition: &str, why: &str) -> Value {
    eventually(SOON, &format!("{condition}: {why}"), async || {
        let status = document(&world.bed, &["status"]).await;
        let said = status["why"].as_str().is_some_and(|words| words.contains(why));
        (status["condition"] == condition && said).then_some(status)
    })
    .await
}

fn relays(status: &Value) -> &Vec<Value> {
    status["relays"].as_array().expect("relays are a list")
}

async fn first_line(world: &World) -> String {
    run(&world.bed, &["status"]).await.stdout.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn both_relays_of_a_host_are_told_apart_and_say_that_the_broker_is_gone() {
    let mut world = stage("condition_broker").await;
    let proxy = Proxy::start(addr_of(&world.bed.amqp_url())).await;
    let url = with_addr(&world.bed.amqp_url(), proxy.addr());
    let (first, mut second) =
        (Relay::start(&world.bed, &["--amqp-url", &url]).await, Relay::start(&world.bed, &["--amqp-url", &url]).await);
    world.commit("order-1", secret(&["order.created"])).await;
    let is_up = |relay: &Value| relay["broker"] == "up" && relay["broker_error"].is_null();
    let status = eventually(Duration::from_secs(5), "both say that the broker is there", async || {
        let status = document(&world.bed, &["status"]).await;
        (relays(&status).len() == 2 && relays(&status).iter().all(is_up)).then_some(status)
    })
    .await;
    let pids: Vec<i64> = relays(&status).iter().filter_map(|relay| relay["pid"].as_i64()).collect();
    assert!([first.pid(), second.pid()].iter().all(|pid| pids.contains(&i64::from(*pid))), "{status}");
    assert_eq!(relays(&status)[0]["routes"], serde_json::json!(["default"]));
    becomes(&world, "ok", "nothing waits").await;
    assert_eq!(run(&world.bed, &["status", "--exit-code"]).await.code, Some(0));

    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.reset_all();
    world.commit("order-1", secret(&["order.paid", "order.shipped"])).await;
    let status = becomes(&world, "stuck", "2 events wait; both relays lost the broker").await;
    assert!(status["why"].as_str().is_some_and(|why| why.contains(" ago (")), "{status}");
    assert!(first_line(&world).await.starts_with("STUCK: 2 events wait; both relays lost the broker"));
    run(&world.bed, &["status", "--exit-code"]).await.with_code(1).saying("the condition is STUCK, not OK");
    let traced = run(&world.bed, &["trace", "order-1"]).await.stdout;
    assert!(traced.contains("both relays lost the broker"), "{traced}");
    run(&world.bed, &["check"]).await.saying("both relays lost the broker");

    proxy.heal();
    becomes(&world, "ok", "nothing waits").await;
    second.stop_well().await;
    let status = document(&world.bed, &["status"]).await;
    assert_eq!(relays(&status).len(), 1, "a relay that stops takes its row away: {status}");
}

#[tokio::test]
async fn a_relay_that_does_not_move_is_named_and_told_from_one_that_is_gone() {
    let mut world = stage("condition_frozen").await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    becomes(&world, "ok", "nothing waits").await;
    eventually(SOON, "it has a heartbeat", async || {
        world.value::<i64>("SELECT count(*) FROM outbox.relays").await == 1
    })
    .await;
    relay.signal(Signal::Stop);
    world.commit("order-1", secret(&["order.created"])).await;
    // As if it had been frozen for longer.
    world.execute("UPDATE outbox.relays SET seen_at = seen_at - interval '81 seconds'").await;
    let why = format!("1 event waits; relay {}/{} has not moved for 1m 2", host(&world).await, relay.pid());
    becomes(&world, "stuck", &why).await;
    relay.signal(Signal::Cont);
    becomes(&world, "ok", "nothing waits").await;

    relay.kill().await;
    world.execute("UPDATE outbox.relays SET seen_at = seen_at - interval '81 seconds'").await;
    let status = becomes(&world, "idle", "no relay is connected; the last one, ").await;
    assert!(status["notes"].to_string().contains("it is frozen, or it was killed"), "{status}");
    world.commit("order-1", secret(&["order.paid"])).await;
    becomes(&world, "stuck", "1 event waits; no relay is connected").await;
}

async fn host(world: &World) -> String {
    world.value("SELECT host FROM outbox.relays").await
}

#[tokio::test]
async fn what_waits_for_a_person_and_what_was_given_up_is_said() {
    let mut world = stage("condition_waits").await;
    let _relay = Relay::start(&world.bed, &["--max-retries", "0"]).await;
    world.commit("poisoned", secret(&[UNBOUND])).await;
    becomes(&world, "attention", "1 event was given up").await;
    world.bed.management().delete_exchange(world.bed.vhost(), "order.events").await;
    world.commit("order-1", secret(&["order.created"])).await;
    let why = "1 key waits for exchange 'order.events': the exchange does not exist; 1 dead letter";
    becomes(&world, "stuck", why).await;
}

#[tokio::test]
async fn thousands_of_holds_of_one_route_are_one_paragraph() {
    let world = stage("condition_holds").await;
    world
        .execute(
            "INSERT INTO outbox.holds (scope, exchange, routing_key, kind, reason)
             SELECT 'key', 'order.events', 'order.' || n, 'unroutable', 'no queue is bound for it' FROM generate_series(1, 3000) n",
        )
        .await;
    let status = document(&world.bed, &["status"]).await;
    let groups = status["hold_groups"].as_array().expect("a list");
    assert_eq!((groups.len(), groups[0]["holds"].as_i64()), (1, Some(3000)), "{}", groups[0]);
    let shown = run(&world.bed, &["status"]).await.stdout;
    assert!(shown.contains("held: 3000 destinations of exchange 'order.events' (unroutable)"), "{shown}");
    assert!(shown.lines().count() < 40, "{shown}");
}

#[tokio::test]
async fn every_reading_command_answers_on_a_read_only_database() {
    let mut world = stage("condition_read_only").await;
    let relay = Relay::start(&world.bed, &[]).await;
    let ids = world.commit("order-1", secret(&["order.created"])).await;
    becomes(&world, "ok", "nothing waits").await;
    let name = world.bed.name().to_owned();
    world.commit("order-2", secret(&["order.created"])).await;
    world
        .execute(&format!(
            "ALTER DATABASE \"{name}\" SET default_transaction_read_only = on;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND application_name LIKE 'outbox-relay/%'"
        ))
        .await;
    let id = ids[0].to_string();
    let reading: [&[&str]; 8] = [
        &["status"],
        &["trace", "order-1"],
        &["trace", &id],
        &["keys", "list"],
        &["dlq", "list"],
        &["routes", "list"],
        &["replay", "--runs"],
        &["trace", "--limit", "1", "order-2"],
    ];
    for command in reading {
        run(&world.bed, command).await.with_code(0);
    }
    becomes(&world, "stuck", "the database takes no writes").await;
    eventually(SOON, "/status knows it", async || {
        relay.get("/status").await.body.contains(r#""last_error":"read_only""#)
    })
    .await;
    run(&world.bed, &["keys", "release", "order-1", "--yes"]).await.with_code(69).saying("read-only");
    world
        .execute(&format!(
            "SET default_transaction_read_only = off; ALTER DATABASE \"{name}\" RESET default_transaction_read_only"
        ))
        .await;
    becomes(&world, "ok", "nothing waits").await;
}

#[tokio::test]
async fn status_watches_until_it_is_interrupted() {
    let world = stage("condition_watch").await;
    let proxy = Proxy::start(addr_of(&world.bed.database_url())).await;
    let url = with_addr(&world.bed.database_url(), proxy.addr());
    let watching = Command::new(&["status", "--watch=500ms", "--database-url", &url]).start();
    // The third look begins once the second has been printed.
    eventually(SOON, "it looks for the third time", async || proxy.accepted() >= 3).await;
    watching.interrupt();
    let ended = watching.end().await;
    assert!(ended.stdout.matches("IDLE: no relay is connected").count() >= 2, "{ended:?}");
    run(&world.bed, &["status", "--watch=1ms"]).await.with_code(64).saying("--watch: must be 500ms to 1h");
}

#[tokio::test]
async fn a_dead_letter_is_shown_before_fifty_later_events_and_a_correlation_id_is_found() {
    let mut world = stage("condition_trace").await;
    let ids = world.commit("order-1", secret(&["order.created"; 51])).await;
    world
        .execute(&format!(
            "UPDATE outbox.events SET published_at = clock_timestamp(), correlation_id = 'checkout-9' WHERE id <> '{}'",
            ids[0]
        ))
        .await;
    world
        .execute(&format!(
            "WITH gone AS (DELETE FROM outbox.events WHERE id = '{}' RETURNING *)
             INSERT INTO outbox.dead_letters (id, seq, aggregate_type, aggregate_id, event_type, payload, created_at, lane,
                                              failure_reason, attempts, routes_confirmed, routes_failed)
             SELECT id, seq, aggregate_type, aggregate_id, event_type, payload, created_at, lane, 'UNROUTABLE', 4, '{{}}', '{{default}}' FROM gone",
            ids[0]
        ))
        .await;
    let found = document(&world.bed, &["trace", "order-1", "--limit", "5"]).await;
    let events = found["events"].as_array().expect("a list");
    assert_eq!((events.len(), events[0]["state"].as_str()), (5, Some("dead_lettered")), "{found}");
    let found = document(&world.bed, &["trace", "checkout-9", "--limit", "60"]).await;
    assert_eq!(
        (found["published"].as_i64(), found["events"].as_array().map(Vec::len)),
        (Some(50), Some(50)),
        "{found}"
    );
    assert!(found["notes"][0].as_str().is_some_and(|note| note.contains("correlation id")), "{found}");
    assert_eq!(run(&world.bed, &["trace", "checkout-8"]).await.code, Some(1));
}

#[tokio::test]
async fn at_80_columns_no_line_is_longer_and_no_id_is_split() {
    let mut world = stage("condition_terminal").await;
    let mut relay = Relay::start(&world.bed, &["--max-retries", "0"]).await;
    let dead = world.commit("an-order-with-a-rather-long-name-0815", secret(&[UNBOUND])).await;
    becomes(&world, "attention", "1 event was given up").await;
    world.bed.management().delete_exchange(world.bed.vhost(), "order.events").await;
    let held = world.commit("order-1", secret(&["order.created", "order.paid"])).await;
    becomes(&world, "stuck", "1 key waits for exchange").await;
    let (dead, held) = (dead[0].to_string(), held[0].to_string());
    let beginning = document(&world.bed, &["trace", &held[..18]]).await;
    assert_eq!(beginning["events"][0]["event_id"], held.as_str(), "{beginning}");
    let commands: [(&[&str], Option<&str>); 8] = [
        (&["status"], None),
        (&["trace", "order-1"], Some(&held)),
        (&["trace", &dead], Some(&dead)),
        (&["keys", "list"], None),
        (&["keys", "list", "--group"], None),
        (&["dlq", "list"], None),
        (&["dlq", "list", "--group"], None),
        (&["dlq", "show", &dead], Some(&dead)),
    ];
    for (command, id) in commands {
        for columns in [80, 120] {
            let shown =
                Command::on(&world.bed, command).env("COLUMNS", &columns.to_string()).run().await.with_code(0).stdout;
            let long = |line: &&str| line.chars().count() > columns && !line.trim_start().starts_with("outbox-relay ");
            assert_eq!(shown.lines().find(long), None, "{command:?} at {columns}:\n{shown}");
            assert!(id.is_none_or(|id| shown.contains(id)), "{command:?} at {columns}:\n{shown}");
        }
    }
    let wide = Command::on(&world.bed, &["dlq", "list", "-o", "wide"]).env("COLUMNS", "80").run().await.stdout;
    assert!(
        wide.contains(&dead) && wide.contains("an-order-with-a-rather-long-name-0815") && !wide.contains('…'),
        "{wide}"
    );
    let names = run(&world.bed, &["keys", "list", "-o", "name"]).await.with_code(0).stdout;
    assert_eq!(names, "order-1\n");
    let counts = document(&world.bed, &["dlq", "list", "--group"]).await;
    assert_eq!(
        (counts["groups"][0]["dead_letters"].as_i64(), &counts["groups"][0]["routes_failed"][0]),
        (Some(1), &"default".into()),
        "{counts}"
    );
    relay.stop_well().await;
}
