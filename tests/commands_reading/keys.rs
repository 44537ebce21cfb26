//! `keys list`: every key that waits, the longest waiting first, each with what to type next.

use std::time::Duration;

use testkit::command::{document, run};
use testkit::world::UNBOUND;
use testkit::{Relay, eventually};

use crate::commands_reading::ask::commands;
use crate::commands_reading::stage::{secret, stage};

#[tokio::test]
async fn keys_are_listed_by_age_with_what_waits_behind_them() {
    let mut world = stage("keys_list").await;
    let _relay = Relay::start(&world.bed, &["--retry-backoff-min", "60s", "--retry-backoff-max", "60s"]).await;
    for key in ["first", "second"] {
        let ids = world.commit(key, secret(&[UNBOUND, "order.paid", "order.shipped"])).await;
        eventually(Duration::from_secs(30), "the key waits", async || {
            let keys = document(&world.bed, &["keys", "list"]).await;
            keys["keys"].as_array().is_some_and(|keys| keys.iter().any(|one| one["event_id"] == ids[0].to_string()))
        })
        .await;
    }
    let all = document(&world.bed, &["keys", "list"]).await;
    assert_eq!((all["keys_in_all"].as_i64(), all["keys"].as_array().map(Vec::len)), (Some(2), Some(2)), "{all}");
    let first = &all["keys"][0];
    assert_eq!(
        (first["key"].as_str(), first["state"].as_str(), first["reason"].as_str()),
        (Some("first"), Some("retrying"), Some("retry"))
    );
    assert_eq!((first["events_behind"].as_i64(), first["events_behind_capped"].as_bool()), (Some(2), Some(false)));
    assert_eq!((first["attempts"].as_i64(), first["event_type"].as_str()), (Some(1), Some(UNBOUND)));
    assert_eq!(commands(first)[0], "outbox-relay keys release first");
    let one = document(&world.bed, &["keys", "list", "--limit", "1"]).await;
    assert_eq!((one["keys_in_all"].as_i64(), one["keys"].as_array().map(Vec::len)), (Some(2), Some(1)));
    let none = document(&world.bed, &["keys", "list", "--reason", "held"]).await;
    assert_eq!(none["keys"].as_array().map(Vec::len), Some(0));
    let shown = run(&world.bed, &["keys", "list"]).await.stdout;
    assert!(shown.contains("outbox-relay trace first"), "{shown}");
    let wrong = run(&world.bed, &["keys", "list", "--reason", "tired"]).await;
    assert_eq!(wrong.code, Some(64), "{}", wrong.stderr);
}
