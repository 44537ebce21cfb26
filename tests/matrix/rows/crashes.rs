//! Crash points: one relay after the other dies at the same named place of the program while events keep coming in; the last one
//! lives and drains. What the program promises for each place is its bound.

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use outbox_relay::crash::Point;
use serde_json::json;
use testkit::patience::IN_THE_END;
use testkit::traffic::Load;
use testkit::urls::{addr_of, with_addr};
use testkit::world::ORDERS;
use testkit::{Consumer, Faults, Proxy, Queue, QueueKind, Signal, TestBed, Topology, eventually};

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, seconds};

const ROUNDS: usize = 50;
/// Of one batch, by one worker.
const BATCH: usize = 100;
/// One event of each key may be owed by the broker when its batch has ended.
const OWED: usize = 60;
const ABORTED: i32 = 6;

/// What it takes to pass a point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing but events.
    Plain,
    /// Confirms that come after their batch has ended.
    Late,
    /// A destination on hold.
    Held,
    /// An upkeep job of this name that is due.
    Job(&'static str),
}

struct Place {
    point: Point,
    way: Way,
    /// Which passing it dies at is drawn up to here.
    nth_max: u64,
    /// Duplicates of one crash.
    bound: usize,
}

fn place(point: Point) -> Place {
    let (way, nth_max, bound) = match point {
        // Nothing has left, or everything is written.
        Point::AfterClaim => (Way::Plain, 5, 0),
        Point::AfterCommit => (Way::Plain, 5, 0),
        Point::BetweenPublishes => (Way::Plain, 80, BATCH),
        Point::AfterPublish => (Way::Plain, 5, BATCH),
        Point::AfterConfirm => (Way::Plain, 80, BATCH),
        Point::BeforeSettle | Point::InSettle => (Way::Plain, 5, BATCH),
        Point::InDeadLetter => (Way::Plain, 1, BATCH),
        Point::InWaits => (Way::Late, 3, BATCH + OWED),
        Point::InLateMark | Point::AfterLateMark => (Way::Late, 3, BATCH + OWED),
        Point::WhileDraining => (Way::Late, 1, OWED),
        Point::InProbe | Point::InProbeSettle => (Way::Held, 1, BATCH),
        Point::InFloorMove => (Way::Job("floors"), 1, BATCH),
        Point::InRetention => (Way::Job("retention"), 1, BATCH),
    };
    Place { point, way, nth_max, bound }
}

/// Those that have to wait for something in each round.
pub fn slow() -> Vec<Row> {
    rows(|place| matches!(place.way, Way::Job(_)))
}

pub fn quick() -> Vec<Row> {
    rows(|place| !matches!(place.way, Way::Job(_)))
}

fn rows(wanted: impl Fn(&Place) -> bool) -> Vec<Row> {
    let places = Point::ALL.into_iter().map(place).filter(wanted);
    places
        .map(|Place { point, .. }| {
            let name = format!("crash_{}", point.name());
            Row::new(&name, "the relay aborts there", move |trial| crash(trial, place(point)))
        })
        .collect()
}

/// The scene, and what it takes to pass the point.
struct Stage {
    scene: Scene,
    args: Vec<String>,
    proxy: Option<Proxy>,
    second: Option<Consumer>,
}

async fn crash(mut trial: Trial, place: Place) -> Outcome {
    let rounds = env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let mut stage = set(&trial, place.way).await;
    // The last relay drains what came in all the while.
    let pause = Duration::from_millis(if place.way == Way::Late { 120 } else { 30 });
    stage.scene.load_with(&Load { producers: 2, keys: OWED, events_at_most: 4, pause, ..Load::default() });
    for round in 0..rounds {
        if let Way::Job(job) = place.way {
            let sql = "UPDATE outbox.upkeep SET last_run_at = '2000-01-01Z' WHERE job = $1";
            stage.scene.bed.client().await.execute(sql, &[&job]).await.expect("the job is due");
        }
        die(&mut stage, place.point, trial.random.u64(1..=place.nth_max), round).await;
    }
    if place.way == Way::Held {
        stage.scene.bed.management().delete_policy(stage.scene.bed.vhost(), "full").await;
    }
    stage.scene.relay(&[]).await;
    stage.scene.recover().await;
    let outcome = stage.scene.finish(rounds, rounds * place.bound).await;
    if let Some(second) = stage.second {
        second.stop().await;
    }
    drop(stage.proxy);
    outcome
}

async fn set(trial: &Trial, way: Way) -> Stage {
    let bed = TestBed::new(&trial.name).await;
    let queues = match way {
        Way::Held => vec![
            Queue::new(ORDERS, QueueKind::Classic).bound_to(&["order.created", "order.paid", "order.shipped"]),
            Queue::new("full", QueueKind::Classic).bound_to(&["order.completed"]),
        ],
        Way::Plain | Way::Late | Way::Job(_) => vec![Queue::new(ORDERS, QueueKind::Classic)],
    };
    let mut scene = Scene::with(trial, bed, &Topology::order_events(queues)).await;
    scene.lost_a_relay();
    let mut args = vec!["--workers".to_owned(), "1".to_owned()];
    let (mut proxy, mut second) = (None, None);
    match way {
        Way::Plain => {}
        Way::Late => {
            let slow = Proxy::start(addr_of(&scene.bed.amqp_url())).await;
            slow.set(Faults { latency: Duration::from_millis(150), ..Faults::default() });
            let url = with_addr(&scene.bed.amqp_url(), slow.addr());
            args.extend(["--amqp-url".to_owned(), url, "--batch-deadline".to_owned(), "100ms".to_owned()]);
            // What a dead relay was owed waits for this long.
            args.extend(["--confirm-timeout".to_owned(), "2s".to_owned()]);
            proxy = Some(slow);
        }
        Way::Held => {
            scene.expect.queues.clear();
            second = Some(Consumer::start(&scene.bed.amqp_url(), "full", &scene.history));
            let full = json!({"max-length": 0, "overflow": "reject-publish"});
            scene.bed.management().put_policy(scene.bed.vhost(), "full", "^full$", full).await;
        }
        Way::Job(_) => args.extend(["--retention".to_owned(), "1s".to_owned()]),
    }
    Stage { scene, args, proxy, second }
}

/// One relay's short life.
async fn die(stage: &mut Stage, point: Point, nth: u64, round: usize) {
    let (args, at): (Vec<&str>, _) =
        (stage.args.iter().map(String::as_str).collect(), format!("{}:{nth}", point.name()));
    let mut relay = stage.scene.spawn(&args, &[("OUTBOX_CRASH_AT", &at)]);
    if point == Point::WhileDraining {
        relay.answers_at(relay.admin()).await;
        let owed = async || relay.metric_where("outbox_failures_total", "unconfirmed").await > 0.0;
        eventually(IN_THE_END, "confirms are owed", owed).await;
        relay.signal(Signal::Term);
    }
    let status = relay.wait_exit(seconds(60)).await;
    assert_eq!(status.signal(), Some(ABORTED), "round {round}: {at}: {status}\n{}", relay.log());
}
