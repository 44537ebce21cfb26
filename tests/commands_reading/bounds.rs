//! What every reading command promises: it changes nothing, needs no broker, gives up in time, and lets nothing through to the terminal.

use std::time::Duration;

use testkit::command::{Command, document, run};
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, Proxy, Stall};

use crate::commands_reading::ask::states;
use crate::commands_reading::stage::{secret, without_exchange};

const READING: [&[&str]; 3] = [&["trace", "order-1"], &["status"], &["keys", "list"]];

#[tokio::test]
async fn a_locked_table_is_given_up_in_time_and_named() {
    let mut world = without_exchange("bounds_lock").await;
    world.commit("order-1", secret(&["order.created"])).await;
    for table in ["events", "waits", "schema_version"] {
        let locker = world.bed.client().await;
        locker.batch_execute(&format!("BEGIN; LOCK TABLE outbox.{table}")).await.expect("the table is locked");
        for command in READING {
            let answer = run(&world.bed, command).await;
            assert_eq!(answer.code, Some(69), "{command:?} with {table} locked: {}{}", answer.stdout, answer.stderr);
            assert!(answer.stderr.contains("gave up after 2 s while "), "{command:?}: {}", answer.stderr);
            assert!(answer.took < Duration::from_secs(6), "{command:?} took {:?}", answer.took);
        }
    }
}

#[tokio::test]
async fn a_database_that_is_away_or_silent_is_given_up_in_time() {
    let world = without_exchange("bounds_away").await;
    let proxy = Proxy::start(addr_of(&world.bed.database_url())).await;
    let url = with_addr(&world.bed.database_url(), proxy.addr());
    for faults in [Faults { refuse: true, ..Faults::default() }, Faults { stall: Stall::Both, ..Faults::default() }] {
        proxy.set(faults);
        for command in READING {
            let answer = Command::new(&[command, &["--database-url", &url]].concat()).run().await;
            assert_eq!(answer.code, Some(69), "{command:?}: {}{}", answer.stdout, answer.stderr);
            assert!(answer.took < Duration::from_secs(6), "{command:?} took {:?}", answer.took);
        }
    }
}

#[tokio::test]
async fn nothing_is_changed_even_where_everything_could_be() {
    let mut world = without_exchange("bounds_read").await;
    world.commit("order-1", secret(&["order.created"])).await;
    world
        .execute("INSERT INTO outbox.holds (scope, exchange, kind, reason) VALUES ('exchange', 'e', 'missing', 'gone')")
        .await;
    let contents = async || {
        let mut all = Vec::new();
        for table in ["events", "waits", "holds", "dead_letters", "lanes", "upkeep", "replays"] {
            let query = format!("SELECT coalesce(string_agg(t::text, ';' ORDER BY t::text), '') FROM outbox.{table} t");
            all.push(world.client.query_one(&query, &[]).await.expect("a table").get::<_, String>(0));
        }
        all
    };
    let before = contents().await;
    let check = ["check", "--amqp-url", &world.bed.amqp_url()];
    for command in READING.into_iter().chain([&check[..]]) {
        run(&world.bed, command).await;
    }
    assert_eq!(contents().await, before);
    let begin = include_str!("../../sql/queries/begin_read.sql");
    assert!(begin.contains("READ ONLY"), "the server refuses whatever would change something");
}

#[tokio::test]
async fn a_key_cannot_move_the_cursor() {
    let world = without_exchange("bounds_terminal").await;
    let key = "order\u{1b}[2J\u{9b}1;\n\u{7}x";
    world
        .client
        .execute(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers) VALUES ($1, $1, $1, '{}', NULL)",
            &[&key],
        )
        .await
        .expect("an odd event is inserted");
    world
        .execute(
            "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until, error)
             SELECT aggregate_id, lane, id, seq, 'retry', 'infinity', aggregate_id FROM outbox.events;
             INSERT INTO outbox.holds (scope, exchange, kind, reason, error) SELECT 'exchange', aggregate_id, 'missing', aggregate_id, aggregate_id FROM outbox.events",
        )
        .await;
    let commands: [&[&str]; 5] = [
        &["trace", key],
        &["trace", "--payload", key],
        &["status"],
        &["keys", "list"],
        &["trace", "\u{1b}[31mnothing"],
    ];
    for command in commands {
        let answer = run(&world.bed, command).await;
        let odd = answer.stdout.chars().chain(answer.stderr.chars()).find(|c| c.is_control() && *c != '\n');
        assert_eq!(odd, None, "{command:?}: {}{}", answer.stdout, answer.stderr);
        assert!(answer.stdout.contains(r"\u{1b}") || answer.stdout.contains(r"\x1b"), "{}", answer.stdout);
    }
    assert_eq!(states(&world.bed, key).await, ["retrying"]);
    let release = document(&world.bed, &["keys", "list"]).await["keys"][0]["next"][0]["command"].clone();
    let line = release.as_str().expect("a command").replace("outbox-relay keys release", "printf %s");
    let output = std::process::Command::new("bash").args(["-c", &line]).output().expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), key, "the command names the very key: {line}");
}

#[tokio::test]
async fn usage_errors_end_with_64() {
    for args in
        [&["trace"][..], &["trace", "x", "--limit", "0"], &["status"], &["keys", "list", "--limit", "9999"], &["check"]]
    {
        let answer = Command::new(args).run().await;
        assert_eq!(answer.code, Some(64), "{args:?}: {}", answer.stderr);
    }
    let several = Command::new(&["trace", "x", "--schema", "No", "--database-url", "nonsense"]).run().await;
    assert!(several.stderr.contains("--database-url") && several.stderr.contains("--schema"), "{}", several.stderr);
}

#[tokio::test]
async fn the_help_is_enough_to_operate_from() {
    for command in [&["trace", "--help"][..], &["status", "--help"], &["keys", "list", "--help"], &["check", "--help"]]
    {
        let answer = Command::new(command).run().await;
        assert_eq!(answer.code, Some(0), "{command:?}");
        for part in ["Examples:", "\nJSON", "Exit codes: 0 "] {
            assert!(answer.stdout.contains(part), "{command:?} lacks {part}");
        }
        assert!(
            answer.stdout.to_lowercase().contains("changes nothing"),
            "{command:?} does not say that it only reads"
        );
    }
}
