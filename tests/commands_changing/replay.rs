//! `replay`: published events again, under load, against retention, and in parallel.

use std::collections::{HashMap, HashSet};

use testkit::command::{Command, run};
use testkit::patience::SOON;
use testkit::queue::{Got, number};
use testkit::world::KEPT;
use testkit::{Relay, eventually};
use uuid::Uuid;

use crate::commands_changing::scene::{self, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_events_are_sent_again_under_load_and_live_order_stays_intact() {
    let mut world = scene::open("replay_load").await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    let seeds = world.seed(200, 10).await;
    world.quiet().await;
    let until = world.now().await;
    let traffic = world.some_traffic();
    world.arrivals(2_200).await;
    let looked = run(&world.bed, &["replay", "--until", &until, "--dry-run", "--json"]).await.with_code(0).json();
    assert_eq!((&looked["matched"], &looked["overtaken"]["events"]), (&2_000.into(), &900.into()), "{looked}");
    let last: i64 = world.value("SELECT max(seq) FROM outbox.events").await;
    let args = ["replay", "--until", &until, "--yes", "--by", "alice", "--note", "lost", "--json"];
    let answer = run(&world.bed, &args).await.with_code(0).json();
    assert_eq!((&answer["matched"], &answer["replayed"]), (&2_000.into(), &2_000.into()), "{answer}");
    // Behind every live event that was there.
    assert!(world.value::<i64>("SELECT min(seq) FROM outbox.events WHERE replay_id IS NOT NULL").await > last);
    world.arrivals(world.history.progress().arrivals + 200).await;
    traffic.stop().await;
    let again = "SELECT count(*) FROM outbox.events WHERE replay_id IS NOT NULL AND published_at IS NULL";
    eventually(SOON, "everything is sent", async || world.value::<i64>(again).await == 0).await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(2_000);
    assert_eq!(verdict.duplicates, 2_000);

    let kept = world.bed.drain(KEPT).await;
    let run_id = answer["replay_id"].as_str().map(str::to_owned);
    let replayed: Vec<_> = kept.iter().filter(|message| message.replay.is_some()).collect();
    assert!(replayed.iter().all(|message| message.replay == run_id));
    let ids: HashSet<String> = replayed.iter().map(|message| message.id.clone()).collect();
    assert_eq!((replayed.len(), &ids), (2_000, &seeds.iter().map(Uuid::to_string).collect()));
    let seqs = |message: &&Got| {
        (number(&message.properties, "x-outbox-first-seq"), number(&message.properties, "x-outbox-seq"))
    };
    let at_first: HashMap<&str, Option<i64>> = kept
        .iter()
        .filter(|message| message.replay.is_none())
        .map(|message| (message.id.as_str(), seqs(&message).1))
        .collect();
    for message in &replayed {
        let (first, now) = seqs(message);
        assert_eq!(first, at_first[message.id.as_str()], "a guard compares what it compared when the event was new");
        assert!(first.is_some() && first < now, "{message:?}");
    }
    assert!(
        kept.iter().all(|message| message.replay.is_some() == seqs(&message).0.is_some()),
        "only where it is replayed"
    );
    let place: HashMap<String, usize> = seeds.iter().enumerate().map(|(n, id)| (id.to_string(), n)).collect();
    let mut last: HashMap<Option<String>, usize> = HashMap::new();
    for message in replayed {
        let at = place[&message.id];
        assert!(last.insert(message.key.clone(), at).is_none_or(|before| before < at), "{message:?} out of order");
    }
    let audit = "SELECT source || ' ' || requested_by || ' ' || note || ' ' || events || ' ' || (finished_at IS NOT NULL) FROM outbox.replays";
    assert_eq!(world.value::<String>(audit).await, "published alice lost 2000 true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_for_one_route_says_so_in_the_row() {
    let mut world = scene::open("replay_route").await;
    let ids = world.seed(1, 1).await;
    world.execute("UPDATE outbox.events SET published_at = clock_timestamp()").await;
    let id = format!("msg-{}", ids[0]);
    let unknown = "no relay has told its routes";
    run(&world.bed, &["replay", "--id", &id, "--route", "default"]).await.with_code(1).saying(unknown);
    world
        .execute(
            "INSERT INTO outbox.relays (id, host, pid, version, started_at, seen_at, broker, published, routes)
             VALUES (gen_random_uuid(), 'vm', 7, '0.1.0', clock_timestamp(), clock_timestamp(), 'up', 0, '{default}')",
        )
        .await;
    let typo = "no relay has a route 'defualt' (similar: default)";
    run(&world.bed, &["replay", "--id", &id, "--route", "defualt"]).await.with_code(1).saying(typo);
    run(&world.bed, &["routes", "hold", "defualt"]).await.with_code(1).saying(typo);
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.events WHERE published_at IS NULL").await, 0);
    run(&world.bed, &["replay", "--id", &id, "--route", "default"]).await.with_code(0);
    assert_eq!(world.value::<Vec<String>>("SELECT only_routes FROM outbox.events").await, ["default"]);
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.finish(&mut relay).await.assert_clean(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replays_of_the_same_at_once_send_nothing_more_than_twice_and_lose_nothing() {
    let mut world = scene::open("replay_twice").await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    let seeds = world.seed(100, 10).await;
    world.quiet().await;
    let until = world.now().await;
    let args = ["replay", "--until", &until, "--yes"];
    let (first, second) = tokio::join!(run(&world.bed, &args), run(&world.bed, &args));
    // What the other one took is left alone and said, also where it took everything before this one looked; nothing else may go wrong.
    for ended in [first, second] {
        let is_said = ["skipped", "no published event matches"].iter().any(|words| ended.stderr.contains(words));
        assert!(ended.code == Some(0) || is_said, "{ended:#?}");
    }
    let sent =
        usize::try_from(world.value::<i64>("SELECT sum(events)::bigint FROM outbox.replays").await).expect("a count");
    assert!((1_000..=2_000).contains(&sent), "{sent}");
    world.arrivals(1_000 + sent).await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(2_000);
    assert_eq!(verdict.duplicates, sent);
    let mut copies: HashMap<String, usize> = HashMap::new();
    for message in world.bed.drain(KEPT).await {
        *copies.entry(message.id).or_default() += 1;
    }
    assert!(seeds.iter().all(|id| (2..=3).contains(&copies[&id.to_string()])));
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_never_deletes_what_a_replay_has_made_pending() {
    let mut world = scene::open("replay_retention").await;
    world.seed(100, 30).await;
    world.execute("UPDATE outbox.events SET published_at = clock_timestamp() - interval '8 days'").await;
    let replaying = Command::on(&world.bed, &["replay", "--until", "7d", "--yes", "--json", "--rate", "3000"]).start();
    let begun = async || world.value::<i64>("SELECT coalesce(sum(events), 0)::bigint FROM outbox.replays").await > 0;
    eventually(SOON, "the replay has begun", begun).await;
    // The relay's retention deletes what the replay has not reached yet.
    let relay = Relay::start(&world.bed, &["--retention", "7d"]).await;
    let ended = replaying.end().await;
    let answer = ended.json();
    let (replayed, skipped) =
        (answer["replayed"].as_i64().expect("a count"), answer["skipped_count"].as_i64().expect("a count"));
    assert_eq!((replayed + skipped, ended.code), (3_000, Some(i32::from(skipped > 0))), "{ended:#?}");
    eventually(SOON, "all are sent", async || world.bed.pending().await == 0).await;
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.events WHERE replay_id IS NOT NULL").await, replayed);
    world.arrivals(usize::try_from(replayed).expect("a count")).await;
    drop(relay);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_has_not_sent_is_taken_back_as_it_was_before() {
    let mut world = scene::open("replay_cancel").await;
    world.seed(2, 2).await;
    world.execute("UPDATE outbox.events SET published_at = '2026-11-30 12:00Z'").await;
    let replay = ["replay", "--since", "2026-11-30", "--until", "2026-11-30 12:01", "--yes", "--json"];
    let answer = run(&world.bed, &replay).await.with_code(0).json();
    let id = answer["replay_id"].as_str().expect("an id").to_owned();
    assert_eq!(answer["replayed"], 4, "{answer}");
    // As if a relay had sent one of them, and another had failed once.
    world
        .execute(
            "UPDATE outbox.events SET published_at = clock_timestamp() WHERE seq = (SELECT min(seq) FROM outbox.events);
             INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
             SELECT aggregate_id, lane, id, seq, 'retry', 'infinity' FROM outbox.events WHERE published_at IS NULL ORDER BY seq LIMIT 1",
        )
        .await;
    let runs = run(&world.bed, &["replay", "runs", "--json"]).await.with_code(0).json();
    let of = |name: &str| runs["replays"][0][name].as_i64();
    assert_eq!((of("events"), of("waiting"), of("confirmed")), (Some(4), Some(3), Some(1)), "{runs}");
    let key = "SELECT aggregate_id FROM outbox.events ORDER BY seq LIMIT 1";
    let shown = run(&world.bed, &["trace", &world.value::<String>(key).await]).await.stdout;
    assert!(shown.contains("; replayed "), "{shown}");

    let answer = run(&world.bed, &["replay", "cancel", &id, "--json"]).await.with_code(0).json();
    assert_eq!((&answer["cancelled"], &answer["left_before"]), (&3.into(), &1.into()), "{answer}");
    let back = "SELECT count(*) FROM outbox.events WHERE published_at = '2026-11-30 12:00Z' AND replay_id IS NULL AND only_routes IS NULL";
    assert_eq!(world.value::<i64>(back).await, 3);
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.waits").await, 0, "nothing waits for them any more");
    run(&world.bed, &["replay", "--resume", &id]).await.with_code(0).saying("nothing is left to do");
    run(&world.bed, &["replay", "runs"]).await.with_code(0).saying("3 were taken back");
    let answer = run(&world.bed, &["replay", "cancel", &id, "--json"]).await.with_code(0).json();
    assert_eq!(answer["cancelled"], 0, "{answer}");
    let nobody = "3f0c6c9e-6f0c-4d0a-9f43-0c3c5e1f1b7e";
    run(&world.bed, &["replay", "cancel", nobody]).await.with_code(1).saying("there is no run");
}
