//! `dlq replay`: the same event again, in its old place, on the routes that failed, and nothing else.

use testkit::command::run;
use testkit::patience::SOON;
use testkit::world::{KEPT, UNBOUND};
use testkit::{NewEvent, Relay, eventually};
use uuid::Uuid;

use crate::commands_changing::scene::{self, Scene};

/// A payload that the dead letters' storage compresses, with spacing and numbers that a parser would change.
fn odd_payload() -> String {
    format!(
        "{{ \"amount\" : 50.00, \"n\": 9007199254740993, \"n\": 1e2,\n \"nul\": \"\\u0000\", \"big\": 1e999, \"text\":\"{}\" }}",
        "ü ".repeat(6_000)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_comes_back_byte_for_byte_ahead_of_the_successor_that_waits() {
    let mut world = scene::open("dlq_ahead").await;
    let payload = odd_payload();
    let events = [NewEvent::new("order.created", &payload), NewEvent::of_order("k", 1), NewEvent::of_order("k", 2)];
    let ids = world.commit("k", events.into()).await;
    let seq: i64 = world.value(&format!("SELECT seq FROM outbox.events WHERE id = '{}'", ids[0])).await;
    let letter = world.dead_letter(ids[0], "UNROUTABLE", &[], &["default"]).await;
    world
        .execute(&format!(
            "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, attempts, until)
             SELECT 'k', lane, id, seq, 'retry', 2, clock_timestamp() + interval '1 hour' FROM outbox.events WHERE id = '{}';
             UPDATE outbox.lanes SET floor = {seq} + 1000",
            ids[1]
        ))
        .await;
    let ended = run(&world.bed, &["dlq", "replay", "--id", &letter.to_string(), "--note", "fixed", "--json"]).await;
    let answer = ended.with_code(0).json();
    assert_eq!((answer["replayed"].as_i64(), answer["finished"].as_bool()), (Some(1), Some(true)), "{answer}");
    let run_id = answer["replay_id"].as_str().expect("a run").to_owned();
    let is_back = format!(
        "SELECT e.seq = {seq} AND e.payload::text = '{payload}' AND e.replay_id = '{run_id}' AND e.only_routes IS NULL
                AND pg_column_size(e.payload) >= octet_length(e.payload::text)
         FROM outbox.events e WHERE id = '{}'",
        ids[0]
    );
    assert!(world.value::<bool>(&is_back).await);
    assert!(
        world
            .value::<bool>(&format!("SELECT max(floor) = {seq} + 1000 AND min(floor) = {seq} FROM outbox.lanes"))
            .await
    );
    let waits_first =
        format!("SELECT event_id = '{}' AND attempts = 0 AND until <= clock_timestamp() FROM outbox.waits", ids[0]);
    assert!(world.value::<bool>(&waits_first).await);
    let resolved = "SELECT resolution || ' ' || resolved_by || ' ' || note FROM outbox.dead_letters WHERE processed_at IS NOT NULL";
    assert_eq!(world.value::<String>(resolved).await, "replayed tester fixed");
    let audit =
        "SELECT source || ' ' || requested_by || ' ' || events || ' ' || (finished_at IS NOT NULL) FROM outbox.replays";
    assert_eq!(world.value::<String>(audit).await, "dead_letters tester 1 true");
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.finish(&mut relay).await.assert_clean(0);
    let kept = world.bed.drain(KEPT).await;
    assert_eq!(kept.iter().map(|message| message.id.clone()).collect::<Vec<_>>(), ids.map_to_text());
    assert_eq!(kept[0].replay, Some(run_id));
    assert_eq!(kept[1].replay, None);
}

trait Texts {
    fn map_to_text(&self) -> Vec<String>;
}

impl Texts for Vec<Uuid> {
    fn map_to_text(&self) -> Vec<String> {
        self.iter().map(Uuid::to_string).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_routes_that_failed_are_sent_unless_all_are_asked_for() {
    let world = scene::open("dlq_routes").await;
    let mut relay = Relay::start(&world.bed, &["--retention", "off"]).await;
    // Each on a key of its own: the route that confirmed, the one that failed, and the one that alone may be sent.
    let cases = [
        ("failed-here", Some("other"), "default", false, Some("default")),
        ("failed-elsewhere", Some("default"), "elsewhere", false, Some("elsewhere")),
        ("none-had-it", None, "renamed-since", false, None),
        ("all-asked-for", Some("default"), "elsewhere", true, None),
    ];
    for (key, confirmed, failed, all, only_route) in cases {
        // Written as a dead letter at once, so that the relay does not send it before.
        world
            .execute(&format!("BEGIN; INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload) VALUES ('Order', '{key}', 'order.paid', '{{}}')"))
            .await;
        let id: Uuid = world.value(&format!("SELECT id FROM outbox.events WHERE aggregate_id = '{key}'")).await;
        let letter = world.dead_letter(id, "UNROUTABLE", confirmed.as_slice(), &[failed]).await.to_string();
        world.execute("COMMIT").await;
        let mut args = vec!["dlq", "replay", "--id", &letter];
        args.extend(all.then_some("--all-routes"));
        run(&world.bed, &args).await.with_code(0);
        let routes: Option<Vec<String>> =
            world.value(&format!("SELECT only_routes FROM outbox.events WHERE id = '{id}'")).await;
        assert_eq!(routes, only_route.map(|route| vec![route.to_owned()]), "{key}");
        if only_route == Some("elsewhere") {
            let waits = "SELECT count(*) FROM outbox.waits WHERE reason = 'no_route'";
            eventually(SOON, "it waits for its route", async || world.value::<i64>(waits).await == 1).await;
            assert!(!world.has_arrived(id));
        } else {
            eventually(SOON, key, async || world.has_arrived(id)).await;
        }
    }
    relay.stop(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_keys_that_waited_for_their_dead_letter_go_on_in_order() {
    let mut world = scene::open("dlq_load").await;
    let mut relay = Relay::start(&world.bed, &["--on-dead-letter", "hold", "--max-retries", "0"]).await;
    let traffic = world.some_traffic();
    // Fewer in a row than make a missing binding of it.
    for n in 0..15 {
        let key = format!("stuck-{n}");
        let events = vec![NewEvent::new(UNBOUND, "{}"), NewEvent::of_order(&key, 1), NewEvent::of_order(&key, 2)];
        world.commit(&key, events).await;
        world.arrivals(world.history.progress().arrivals + 5).await;
    }
    let waiting = "SELECT count(*) FROM outbox.waits WHERE reason = 'after_dead_letter'";
    eventually(SOON, "15 keys wait", async || world.value::<i64>(waiting).await == 15).await;
    // Somebody fixes the binding.
    let channel = world.bed.channel().await;
    let bound =
        channel.queue_bind("orders".into(), "order.events".into(), UNBOUND.into(), <_>::default(), <_>::default());
    bound.await.expect("a binding");
    let looked = run(&world.bed, &["dlq", "replay", "--reason", "UNROUTABLE", "--dry-run"]).await;
    looked.with_code(0).saying("15 match").saying("routes that confirmed are not sent again");
    assert_eq!(world.value::<i64>(waiting).await, 15);
    let ended = run(&world.bed, &["dlq", "replay", "--reason", "UNROUTABLE", "--yes", "--json"]).await.with_code(0);
    assert_eq!(ended.json()["replayed"], 15);
    traffic.stop().await;
    world.finish(&mut relay).await.assert_clean(0);
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.waits").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_among_the_events_already_is_skipped_and_said() {
    let mut world = scene::open("dlq_taken").await;
    let ids = world.seed(3, 1).await;
    let mut letters = Vec::new();
    for id in &ids {
        letters.push(world.dead_letter(*id, "UNROUTABLE", &[], &["default"]).await.to_string());
    }
    world
        .execute(&format!(
            "INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, payload) VALUES ('{}', 'Order', 'seed-1', 'order.created', '{{}}')",
            ids[1]
        ))
        .await;
    let ended = run(&world.bed, &["dlq", "replay", "--since", "1h", "--yes", "--json"]).await.with_code(1);
    let answer = ended.json();
    assert_eq!((&answer["replayed"], &answer["skipped_count"]), (&2.into(), &1.into()), "{answer}");
    assert_eq!(answer["skipped"][0]["id"], letters[1].as_str());
    ended.saying("dlq discard --id");
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.dead_letters WHERE processed_at IS NULL").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_whose_event_may_have_been_sent_keeps_its_place() {
    let mut world = scene::open("dlq_unconfirmed").await;
    for (key, reason, confirmed) in [("sent", "unconfirmed", "{}"), ("partly", "retry", "{a}")] {
        let ids = world.commit(key, vec![NewEvent::of_order(key, 0), NewEvent::of_order(key, 1)]).await;
        let letter = world.dead_letter(ids[0], "UNROUTABLE", &[], &["default"]).await.to_string();
        world
            .execute(&format!(
                "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until, routes_confirmed)
                 SELECT '{key}', lane, id, seq, '{reason}', 'infinity', '{confirmed}' FROM outbox.events WHERE id = '{}'",
                ids[1]
            ))
            .await;
        run(&world.bed, &["dlq", "replay", "--id", &letter]).await.with_code(0);
        let kept =
            format!("SELECT event_id = '{}' AND reason = '{reason}' FROM outbox.waits WHERE key = '{key}'", ids[1]);
        assert!(world.value::<bool>(&kept).await, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_died_of_itself_is_warned_about() {
    let mut world = scene::open("dlq_hopeless").await;
    let ids = world.seed(1, 1).await;
    let letter = world.dead_letter(ids[0], "INVALID_EVENT", &[], &[]).await.to_string();
    run(&world.bed, &["dlq", "replay", "--id", &letter]).await.with_code(0).saying("it will fail again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_renewed_lets_the_revived_event_go_before_its_successor() {
    let mut world = scene::open("dlq_renewed").await;
    let events = [NewEvent::of_order("k", 0), NewEvent::new(UNBOUND, "{}"), NewEvent::of_order("k", 2)];
    let ids = world.commit("k", events.into()).await;
    let letter = world.dead_letter(ids[0], "UNROUTABLE", &[], &["default"]).await.to_string();
    world
        .execute(&format!(
            "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until, routes_confirmed)
             SELECT 'k', lane, id, seq, 'retry', clock_timestamp(), '{{a}}' FROM outbox.events WHERE id = '{}';
             UPDATE outbox.lanes SET floor = (SELECT max(seq) FROM outbox.events)",
            ids[1]
        ))
        .await;
    run(&world.bed, &["dlq", "replay", "--id", &letter]).await.with_code(0);
    let mut relay = Relay::start(&world.bed, &["--retry-backoff-min", "1h", "--retry-backoff-max", "1h"]).await;
    let renewed = "SELECT attempts = 1 FROM outbox.waits";
    eventually(SOON, "the wait is renewed", async || world.value::<bool>(renewed).await).await;
    let keeps = format!("SELECT w.seq = e.seq FROM outbox.waits w, outbox.events e WHERE e.id = '{}'", ids[0]);
    assert!(world.value::<bool>(&keeps).await);
    let channel = world.bed.channel().await;
    for queue in ["orders", "kept"] {
        let bound =
            channel.queue_bind(queue.into(), "order.events".into(), UNBOUND.into(), <_>::default(), <_>::default());
        bound.await.expect("a binding");
    }
    run(&world.bed, &["keys", "release", "k"]).await.with_code(0);
    eventually(SOON, "all three arrive", async || ids.iter().all(|id| world.has_arrived(*id))).await;
    let kept: Vec<String> = world.bed.drain(KEPT).await.into_iter().map(|message| message.id).collect();
    assert_eq!(kept, [ids[1], ids[0], ids[2]].to_vec().map_to_text());
    relay.stop(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_confirmed_is_kept_where_no_route_is_said_to_have_failed() {
    let mut world = scene::open("dlq_confirmed").await;
    let ids = world.commit("k", (0..2).map(|n| NewEvent::of_order("k", n)).collect()).await;
    for id in &ids {
        world.dead_letter(*id, "OPERATOR", &["default", "other"], &[]).await;
    }
    let ended = run(&world.bed, &["dlq", "replay", "--since", "1h", "--yes", "--json"]).await.with_code(1);
    assert_eq!((&ended.json()["replayed"], &ended.json()["skipped_count"]), (&1.into(), &1.into()), "{ended:#?}");
    ended.saying("an earlier event of its key");
    let waits = "SELECT event_id::text || ' ' || reason || ' ' || array_to_string(routes_confirmed, ',') FROM outbox.waits WHERE until <= clock_timestamp()";
    assert_eq!(world.value::<String>(waits).await, format!("{} retry default,other", ids[0]));
    run(&world.bed, &["dlq", "replay", "--id", &ids[1].to_string(), "--all-routes"]).await.with_code(0);
    let mut relay = Relay::start(&world.bed, &[]).await;
    eventually(SOON, "the second arrives", async || world.has_arrived(ids[1])).await;
    assert!(!world.has_arrived(ids[0]), "its only route had confirmed");
    relay.stop(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_run_leaves_letters_alone_that_died_since() {
    let mut world = scene::open("dlq_since").await;
    let ids = world.seed(2, 1).await;
    world.dead_letter(ids[0], "UNROUTABLE", &[], &["default"]).await;
    run(&world.bed, &["dlq", "replay", "--since", "1h", "--yes"]).await.with_code(0);
    // As if it had been cut off; meanwhile what it sent has died again, and so has another.
    world.execute("UPDATE outbox.replays SET finished_at = NULL").await;
    for id in ids {
        world.dead_letter(id, "UNROUTABLE", &[], &["default"]).await;
    }
    let run_id: String = world.value("SELECT id::text FROM outbox.replays").await;
    let answer = run(&world.bed, &["replay", "--resume", &run_id, "--json"]).await.with_code(0).json();
    assert_eq!((&answer["replayed"], &answer["replayed_by_run"]), (&0.into(), &1.into()), "{answer}");
}
