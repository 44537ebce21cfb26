//! A database that refuses writes, or has no connection left: the relay stays up, says what fixes it, publishes nothing wrong and goes
//! on by itself.

use testkit::bed::try_connect;
use testkit::patience::SOON;
use testkit::process::unique;
use testkit::urls::{addr_of, with_user};
use testkit::world::{ORDERS, orders};
use testkit::writer::good;
use testkit::{PrivateServices, Relay, World, eventually};

#[tokio::test]
async fn a_database_that_turns_read_only_stops_publishing_until_it_takes_writes_again() {
    let mut world = World::open("read only").await;
    // Direct: a pooler has sessions of its own, which began before and may still write.
    let relay = Relay::start(&world.bed, &["--database-url", &world.bed.database_url()]).await;
    world.order(3, 3).await;
    world.quiet().await;
    let (client, name) = (world.bed.client().await, world.bed.name().to_owned());
    // As at a switchover: the connections end, and new ones may only read, or read and write again.
    let read_only = async |on: &str| {
        let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");
        client.batch_execute(&format!("SET default_transaction_read_only = off; {set}")).await.expect("it is set");
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name LIKE 'outbox-relay/%'";
        client.query_one(end, &[]).await.expect("connections are ended");
    };
    read_only("on").await;
    relay.says("the server is read-only").await;
    assert!(relay.log().contains("name the primary in the URL"), "{}", relay.log());
    let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                  VALUES ('Order', 'order-late', 'order.created', '{}')";
    client.batch_execute(insert).await.expect("an event is committed by who may");
    assert_eq!(relay.get("/readyz").await.status, 200);
    let arrived = world.bed.queue_messages("orders").await;
    assert_eq!((world.bed.pending().await, arrived), (1, 0), "nothing is published that cannot be marked");
    read_only("off").await;
    eventually(SOON, "the event is published", async || world.bed.pending().await == 0).await;
}

#[tokio::test]
async fn of_several_hosts_the_one_that_takes_writes_is_used() {
    let standby = PrivateServices::start("standby", &["postgres"], None).await;
    let mut world = World::open("two hosts").await;
    let (name, first) = (world.bed.name().to_owned(), standby.urls().database);
    let client = try_connect(&first).await.expect("the first host answers");
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database of the same name");
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    client.batch_execute(&read_only).await.expect("it only reads");
    let (first, second) = (addr_of(&first), addr_of(&world.bed.database_url()));
    let url = format!("postgres://postgres@{first},{second}/{name}?sslmode=disable");
    let relay = Relay::start(&world.bed, &["--database-url", &url]).await;
    world.order(5, 3).await;
    world.quiet().await;
    relay.says(&format!("connected to the database {second}/")).await;
    assert!(!relay.log().contains(&format!("connected to the database {first}/")), "{}", relay.log());
    world.verdict().await.assert_clean(0);
}

#[tokio::test]
async fn a_role_without_a_connection_left_waits_for_one() {
    let world = World::open("too many").await;
    let (client, role) = (world.bed.client().await, unique("narrow"));
    let create = format!("CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} NOSUPERUSER CONNECTION LIMIT 0");
    client.batch_execute(&create).await.expect("a role");
    let grants = format!(
        "GRANT ALL ON SCHEMA outbox TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA outbox TO {role};
                          GRANT ALL ON ALL SEQUENCES IN SCHEMA outbox TO {role}"
    );
    client.batch_execute(&grants).await.expect("grants");
    let url = with_user(&world.bed.database_url(), &role);
    let mut world = world;
    world.order(3, 3).await;
    let relay = Relay::start(&world.bed, &["--database-url", &url]).await;
    relay.says("too many connections for role").await;
    assert!(relay.log().contains("raise the limit"), "{}", relay.log());
    assert_eq!(relay.get("/readyz").await.status, 200);
    assert_eq!(world.bed.pending().await, 9);
    let connects = relay.log().matches("cannot use the database").count();
    assert!(connects <= 4, "once, not once a try: {}", relay.log());
    client.batch_execute(&format!("ALTER ROLE {role} CONNECTION LIMIT 1")).await.expect("a limit");
    // One connection is enough to go on, if slowly: workers and upkeep take turns.
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    drop(relay);
    let gone = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    eventually(SOON, "the role is dropped", async || client.batch_execute(&gone).await.is_ok()).await;
}

/// PostgreSQL 17 and later can limit how long any transaction lasts. A batch that waits for confirms has limits of its own.
#[tokio::test]
async fn a_servers_limit_on_transactions_ends_no_batch_that_waits_for_confirms() {
    let services = PrivateServices::start("transaction_timeout", &["rabbitmq"], None).await;
    let mut world = World::on(&services, [orders()]).await;
    if world.value("SELECT current_setting('server_version_num')::integer >= 170000").await {
        let limit = format!("ALTER DATABASE \"{}\" SET transaction_timeout = '200ms'", world.bed.name());
        world.execute(&limit).await;
    }
    let relay = Relay::start(&world.bed, &[]).await;
    world.commit("warm", good("warm", 5)).await;
    eventually(SOON, "the queue is warm", async || world.bed.pending().await == 0).await;
    services.suspend_queue(world.bed.vhost(), ORDERS).await;
    world.commit("silent", good("silent", 5)).await;
    let is_held = async || !world.holds().await.is_empty();
    eventually(SOON, "a batch has waited for confirms, and has ended", is_held).await;
    assert_eq!(relay.metric_where("outbox_failures_total", "reason=\"database\"").await, 0.0, "{}", relay.log());
    services.resume_queue(world.bed.vhost(), ORDERS).await;
    eventually(SOON, "everything is published", async || world.bed.pending().await == 0).await;
}
