//! `routes list`, `hold` and `release`: a route waits for its operator, everything comes after the release, in order.

use std::path::PathBuf;

use testkit::command::{Ended, run};
use testkit::patience::SOON;
use testkit::{NewEvent, Relay, World, eventually};

use crate::commands_changing::scene::{self, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_held_and_released_under_load_without_loss_or_disorder() {
    let world = scene::open("routes_hold").await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    let traffic = world.some_traffic();
    world.arrivals(200).await;
    let hold = ["routes", "hold", "default", "--by", "alice", "--note", "migration", "--json"];
    let first = run(&world.bed, &hold).await.with_code(0).json();
    let again = run(&world.bed, &hold).await.with_code(0).json();
    assert_eq!((&first["changed"], &again["changed"]), (&true.into(), &false.into()));
    let waiting = "SELECT count(*) FROM outbox.waits WHERE reason = 'held'";
    eventually(SOON, "every key waits", async || world.value::<i64>(waiting).await == 40).await;
    // What was on its way has arrived; from now on nothing does, while orders go on.
    let (arrived, due) = (world.history.progress().arrivals, world.history.progress().due + 200);
    eventually(SOON, "more orders", async || world.history.progress().due >= due).await;
    assert_eq!(world.history.progress().arrivals, arrived);
    let list = run(&world.bed, &["routes", "list", "--json"]).await.with_code(0).json();
    let held = &list["holds"][0];
    assert_eq!(
        (&held["name"], &held["kind"], &held["held_by"]),
        (&"default".into(), &"operator".into(), &"alice".into())
    );
    assert_eq!((&held["waiting_keys"], held["next_probe_at"].is_null()), (&40.into(), true), "{list}");
    run(&world.bed, &["routes", "list"]).await.with_code(0).saying("alice: migration");
    let released = run(&world.bed, &["routes", "release", "default", "--json"]).await.with_code(0).json();
    assert_eq!(released["keys_due"], 40, "{released}");
    traffic.stop().await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    run(&world.bed, &["routes", "list"]).await.with_code(0).saying("nothing is on hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_released_by_the_name_that_the_list_shows() {
    let mut world = scene::open("routes_destination").await;
    // Never probed within the test, so that only the command can lift them.
    world
        .execute(
            "INSERT INTO outbox.holds (scope, exchange, routing_key, kind, reason, next_probe_at) VALUES
             ('key', 'order.events', 'order.created', 'refused', 'full', 'infinity'),
             ('key', 'order.events', 'order.paid', 'refused', 'full', 'infinity')",
        )
        .await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.seed(10, 2).await;
    let waiting = "SELECT count(*) FROM outbox.waits WHERE reason = 'held'";
    eventually(SOON, "ten keys wait", async || world.value::<i64>(waiting).await == 10).await;
    let before = world.fingerprint().await;
    let several = run(&world.bed, &["routes", "release", "order.events"]).await.with_code(1);
    several.saying("routes release order.events/order.created").saying("routes release order.events/order.paid");
    run(&world.bed, &["routes", "release", "nobody"]).await.with_code(1).saying("routes list");
    assert_eq!(world.fingerprint().await["holds"], before["holds"]);
    run(&world.bed, &["routes", "release", "order.events/order.created"]).await.with_code(0).saying("10 keys");
    eventually(SOON, "they wait for the other", async || world.history.progress().arrivals == 10).await;
    run(&world.bed, &["routes", "release", "order.events"]).await.with_code(0);
    world.finish(&mut relay).await.assert_clean(0);
}

/// Runs the command line that an answer offers, as it stands.
async fn run_offered(world: &World, line: &str) -> Ended {
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    run(&world.bed, &words).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_that_trace_and_keys_list_print_lifts_the_hold_of_a_whole_exchange() {
    for exchange in ["order.events", ""] {
        let mut world = scene::open("routes_offered").await;
        world.commit("order-1", vec![NewEvent::new("order.paid", "{}")]).await;
        let put = format!(
            "WITH hold AS (INSERT INTO outbox.holds (scope, exchange, kind, reason, next_probe_at)
                           VALUES ('exchange', '{exchange}', 'missing', 'gone', 'infinity') RETURNING id)
             INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until, hold_id)
             SELECT e.aggregate_id, e.lane, e.id, e.seq, 'held', 'infinity', hold.id FROM outbox.events e, hold"
        );
        for question in [&["trace", "order-1", "--json"][..], &["keys", "list", "--json"]] {
            world.execute(&put).await;
            let answer = run(&world.bed, question).await.with_code(0).json();
            let of_first = if question[0] == "trace" { &answer["events"][0] } else { &answer["keys"][0] };
            let steps = of_first["next"].as_array().expect("steps");
            let lines = steps.iter().filter_map(|step| step["command"].as_str());
            let line = lines.into_iter().find(|line| line.contains("routes release")).expect("a release").to_owned();
            assert!(line.ends_with(&format!("{exchange}/")), "{line}");
            run_offered(&world, &line).await.with_code(0).saying("1 key");
            assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.holds").await, 0, "{line}");
            assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.waits WHERE hold_id IS NOT NULL").await, 0);
            world.execute("DELETE FROM outbox.waits").await;
        }
    }
}

/// A routes file with a route for paid and one for created orders.
fn routes_file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("outbox-relay-{name}-{}.toml", std::process::id()));
    let routes = ["paid", "created"].map(|word| {
        format!(
            "[[route]]\nname = \"orders-{word}\"\nevent_type = \"order.{word}\"\nrouting_key = \"platform.{word}\"\n"
        )
    });
    std::fs::write(&path, routes.concat()).expect("a file is written");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_shows_the_routes_of_the_file_and_what_holds_them() {
    let world = scene::open("routes_listed").await;
    let path = routes_file("listed");
    let file = path.to_str().expect("text");
    let unknown = run(&world.bed, &["routes", "hold", "order-paid", "--routes", file]).await.with_code(1);
    unknown.saying("no route 'order-paid'").saying("orders-paid");
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.holds").await, 0);
    run(&world.bed, &["routes", "hold", "orders-paid", "--routes", file]).await.with_code(0);
    run(&world.bed, &["routes", "hold", "elsewhere"]).await.with_code(0).saying("no relay has told its routes");
    let list = run(&world.bed, &["routes", "list", "--routes", file, "--json"]).await.with_code(0).json();
    let (paid, created) = (&list["routes"][0], &list["routes"][1]);
    assert_eq!((&paid["name"], &paid["event_type"]), (&"orders-paid".into(), &"order.paid".into()));
    assert_eq!((&paid["exchange"], &paid["routing_key"]), (&"order.events".into(), &"platform.paid".into()));
    assert_eq!((&paid["envelope"], &paid["on_unroutable"]), (&"standard".into(), &"dead_letter".into()));
    assert_eq!((&paid["held_by"][0], &created["held_by"]), (&"orders-paid".into(), &serde_json::json!([])));
    assert_eq!((&list["from_file"], list["holds"].as_array().map(Vec::len)), (&true.into(), Some(2)));
    let shown = run(&world.bed, &["routes", "list", "--routes", file]).await.with_code(0).saying("platform.paid");
    shown.saying("is named 'elsewhere'");
    std::fs::remove_file(&path).expect("the file is removed");
    let without = run(&world.bed, &["routes", "list", "--json"]).await.with_code(0).json();
    assert_eq!((&without["routes"][0]["name"], &without["from_file"]), (&"default".into(), &false.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_for_a_route_that_the_file_lacks_or_the_type_does_not_take_is_refused() {
    let mut world = scene::open("routes_replayed").await;
    let path = routes_file("replayed");
    let file = path.to_str().expect("text");
    world.commit("order-1", vec![NewEvent::new("order.paid", "{}"), NewEvent::new("order.created", "{}")]).await;
    world.execute("UPDATE outbox.events SET published_at = now() - interval '1 minute'").await;
    let before = world.fingerprint().await;
    let replay = async |more: &[&str]| {
        run(&world.bed, &[&["replay", "--aggregate-id", "order-1", "--yes", "--routes", file][..], more].concat()).await
    };
    replay(&["--route", "orders-piad"]).await.with_code(1).saying("similar: orders-paid");
    replay(&["--route", "orders-paid"]).await.with_code(1).saying("order.created");
    assert_eq!(world.fingerprint().await, before);
    replay(&["--route", "orders-paid", "--event-type", "order.paid"]).await.with_code(0);
    let only = "SELECT count(*) FROM outbox.events WHERE published_at IS NULL AND only_routes = '{orders-paid}'";
    assert_eq!(world.value::<i64>(only).await, 1);
    std::fs::remove_file(&path).expect("the file is removed");
}
