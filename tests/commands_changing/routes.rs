//! `routes list`, `hold` and `release`: a route waits for its operator, everything comes after the release, in order.

use crate::command::run;
use crate::scene::{SOON, Scene};
use crate::support::{Relay, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_held_and_released_under_load_without_loss_or_disorder() {
    let scene = Scene::open("routes_hold").await;
    let mut relay = Relay::start(&scene.bed, &[]).await;
    let traffic = scene.traffic();
    scene.arrivals(200).await;
    let hold = ["routes", "hold", "default", "--by", "alice", "--note", "migration", "--json"];
    let first = run(&scene.bed, &hold).await.with_code(0).json();
    let again = run(&scene.bed, &hold).await.with_code(0).json();
    assert_eq!((&first["changed"], &again["changed"]), (&true.into(), &false.into()));
    let waiting = "SELECT count(*) FROM outbox.waits WHERE reason = 'held'";
    eventually(SOON, "every key waits", async || scene.ask::<i64>(waiting).await == 40).await;
    // What was on its way has arrived; from now on nothing does, while orders go on.
    let (arrived, due) = (scene.history.progress().arrivals, scene.history.progress().due + 200);
    eventually(SOON, "more orders", async || scene.history.progress().due >= due).await;
    assert_eq!(scene.history.progress().arrivals, arrived);
    let list = run(&scene.bed, &["routes", "list", "--json"]).await.with_code(0).json();
    let held = &list["holds"][0];
    assert_eq!(
        (&held["name"], &held["kind"], &held["held_by"]),
        (&"default".into(), &"operator".into(), &"alice".into())
    );
    assert_eq!((&held["waiting_keys"], held["next_probe_at"].is_null()), (&40.into(), true), "{list}");
    run(&scene.bed, &["routes", "list"]).await.with_code(0).saying("alice: migration");
    let released = run(&scene.bed, &["routes", "release", "default", "--json"]).await.with_code(0).json();
    assert_eq!(released["keys_due"], 40, "{released}");
    traffic.stop().await;
    let verdict = scene.finish(&mut relay).await;
    verdict.assert_clean(0);
    run(&scene.bed, &["routes", "list"]).await.with_code(0).saying("nothing is on hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_released_by_the_name_that_the_list_shows() {
    let mut scene = Scene::open("routes_destination").await;
    // Never probed within the test, so that only the command can lift them.
    scene
        .execute(
            "INSERT INTO outbox.holds (scope, exchange, routing_key, kind, reason, next_probe_at) VALUES
             ('key', 'order.events', 'order.created', 'refused', 'full', 'infinity'),
             ('key', 'order.events', 'order.paid', 'refused', 'full', 'infinity')",
        )
        .await;
    let mut relay = Relay::start(&scene.bed, &[]).await;
    scene.order(10, 2).await;
    let waiting = "SELECT count(*) FROM outbox.waits WHERE reason = 'held'";
    eventually(SOON, "ten keys wait", async || scene.ask::<i64>(waiting).await == 10).await;
    let before = scene.fingerprint().await;
    let several = run(&scene.bed, &["routes", "release", "order.events"]).await.with_code(1);
    several.saying("routes release 'order.events/order.created'").saying("routes release 'order.events/order.paid'");
    run(&scene.bed, &["routes", "release", "nobody"]).await.with_code(1).saying("routes list");
    assert_eq!(scene.fingerprint().await["holds"], before["holds"]);
    run(&scene.bed, &["routes", "release", "order.events/order.created"]).await.with_code(0).saying("10 keys");
    eventually(SOON, "they wait for the other", async || scene.history.progress().arrivals == 10).await;
    run(&scene.bed, &["routes", "release", "order.events"]).await.with_code(0);
    scene.finish(&mut relay).await.assert_clean(0);
}
