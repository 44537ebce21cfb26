//! During an outage the log holds state changes and a summary now and then, however many events and tries there are. Each test lets an
//! outage last while events pile up and counts every line that the relay writes at its usual level.

use std::time::{Duration, Instant};

use testkit::patience::SOON;
use testkit::process::unique;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, Proxy, Queue, QueueKind, Relay, TestBed, Topology, World, eventually};
use tokio::time::sleep;

/// Some forty tries of each loop.
const OUTAGE: Duration = Duration::from_secs(20);
/// Going away, coming back and a word of each kind between.
const LINES_MAX: usize = 6;

/// The lines that come while `outage` lasts; the relay goes on trying all the while.
async fn lines_during_outage(relay: &Relay, begin: impl AsyncFnOnce()) -> Vec<String> {
    let before = relay.log().lines().count();
    begin().await;
    let started = Instant::now();
    // The outage.
    while started.elapsed() < OUTAGE {
        sleep(Duration::from_millis(500)).await;
    }
    relay.log().lines().skip(before).map(str::to_owned).collect()
}

fn assert_few(lines: &[String], must: &str) {
    assert!(lines.len() <= LINES_MAX, "{} lines:\n{}", lines.len(), lines.join("\n"));
    let count = lines.iter().filter(|line| line.contains(must)).count();
    assert!((1..=2).contains(&count), "'{must}' is said {count} times:\n{}", lines.join("\n"));
}

#[tokio::test]
async fn a_missing_exchange_is_a_few_lines() {
    let bed = TestBed::new("log exchange").await;
    bed.migrate().await;
    let many = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                SELECT 'Order', 'order-' || n % 500, 'order.created', '{}' FROM generate_series(1, 2000) n";
    bed.client().await.batch_execute(many).await.expect("2,000 events");
    let relay = Relay::start(&bed, &[]).await;
    let lines = lines_during_outage(&relay, async || {}).await;
    let lines: Vec<String> =
        lines.into_iter().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect();
    assert_few(&lines, "on hold: the exchange does not exist");
    let probes = bed.client().await.query_one("SELECT probes FROM outbox.holds", &[]).await.expect("one hold");
    assert!(probes.get::<_, i32>(0) >= 4, "it was probed meanwhile");
    assert!(lines.iter().any(|line| line.contains(r#"exchange="order.events""#)), "{}", lines.join("\n"));
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    let lifted = async || relay.log().lines().any(|line| line.contains("off hold") && line.contains("order.events"));
    eventually(SOON, "the log says what is off hold", lifted).await;
}

#[tokio::test]
async fn a_broker_that_is_away_is_a_few_lines() {
    let mut world = World::open("log broker").await;
    let broker = Proxy::start(addr_of(&world.bed.amqp_url())).await;
    let relay = Relay::start(&world.bed, &["--amqp-url", &with_addr(&world.bed.amqp_url(), broker.addr())]).await;
    world.order(20, 5).await;
    world.quiet().await;
    let lines = lines_during_outage(&relay, async || {
        broker.set(Faults { refuse: true, ..Faults::default() });
        broker.reset_all();
        world.order(200, 10).await;
    })
    .await;
    assert_few(&lines, "cannot connect to the broker");
    broker.heal();
    world.quiet().await;
    assert_eq!(relay.log().matches("connected to the broker").count(), 2, "{}", relay.log());
}

#[tokio::test]
async fn a_database_that_is_away_is_a_few_lines() {
    let mut world = World::open("log database").await;
    let database = Proxy::start(addr_of(&world.bed.database_url())).await;
    let relay =
        Relay::start(&world.bed, &["--database-url", &with_addr(&world.bed.database_url(), database.addr())]).await;
    world.order(20, 5).await;
    world.quiet().await;
    let lines = lines_during_outage(&relay, async || {
        database.set(Faults { refuse: true, ..Faults::default() });
        database.reset_all();
        world.order(200, 10).await;
    })
    .await;
    assert_few(&lines, "cannot use the database");
    database.heal();
    world.quiet().await;
    let again = async || relay.log().contains("the database works again");
    eventually(SOON, "the end of it is said", again).await;
}

#[tokio::test]
async fn a_revoked_permission_in_the_database_is_a_few_lines() {
    let mut world = World::open("log permission").await;
    let owner = world.bed.client().await;
    let role = unique("relay");
    let grants = format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA outbox TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA outbox TO {role};
         GRANT SELECT ON ALL SEQUENCES IN SCHEMA outbox TO {role}"
    );
    owner.batch_execute(&grants).await.expect("the relay's role");
    let relay = Relay::start(&world.bed, &["--database-user", &role]).await;
    world.order(20, 5).await;
    world.quiet().await;
    let lines = lines_during_outage(&relay, async || {
        let revoke = format!("REVOKE UPDATE ON ALL TABLES IN SCHEMA outbox FROM {role}");
        owner.batch_execute(&revoke).await.expect("the permission is revoked");
        world.order(200, 10).await;
    })
    .await;
    let upkeep = lines.iter().filter(|line| line.contains("an upkeep job failed")).count();
    assert!((1..=8).contains(&upkeep), "each of five jobs once or twice:\n{}", lines.join("\n"));
    let others: Vec<String> = lines.into_iter().filter(|line| !line.contains("an upkeep job failed")).collect();
    assert_few(&others, "permission denied");
    let grant = format!("GRANT UPDATE ON ALL TABLES IN SCHEMA outbox TO {role}");
    owner.batch_execute(&grant).await.expect("it is granted again");
    world.quiet().await;
    drop(relay);
    owner.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.expect("the role goes");
}
