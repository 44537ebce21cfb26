//! Rows that cannot become a message: dead letters with their reason, and nothing happens to anybody else.

use std::time::Duration;

use testkit::patience::SOON;
use testkit::world::orders;
use testkit::writer::{good, keys};
use testkit::{Behaviour, FakeBroker, NewEvent, PrivateServices, Relay, World, eventually};

const SIZED: &[&str] = &["--max-message-size", "1MiB"];

fn json_of(bytes: usize) -> String {
    format!("{{\"text\": \"{}\"}}", "x".repeat(bytes))
}

/// Each bad row in the middle of an order of its own, beside healthy orders; the neighbours arrive, nothing is charged to anybody.
async fn expect_dead_letters(world: &World, relay: &mut Relay, cases: &[(NewEvent, &str)]) {
    for (number, (bad, _)) in cases.iter().enumerate() {
        let events = |key: &str| {
            let mut events = good(key, 6);
            events.insert(2, bad.clone());
            events
        };
        world.commit_each(&[format!("bad-{number}")], events).await;
        world.commit_each(&keys(&format!("good-{number}"), 10), |key| good(key, 5)).await;
    }
    world.quiet().await;
    assert_eq!(relay.get("/livez").await.status, 200, "the process is alive");
    assert_eq!(relay.metric("outbox_retries_total").await, 0.0, "nobody was charged");
    let charged: i64 = world.ask("SELECT coalesce(sum(attempts), 0) FROM outbox.dead_letters", &[]).await;
    assert_eq!(charged, 0, "what is wrong with the row itself is no attempt");
    let error_of = "SELECT last_error FROM outbox.dead_letters WHERE aggregate_id = $1";
    for (number, (_, words)) in cases.iter().enumerate() {
        let error: String = world.ask(error_of, &[&format!("bad-{number}")]).await;
        assert!(error.contains(words), "case {number}: '{error}' lacks '{words}'");
    }
    let verdict = world.finish(relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (cases.len() * 56, cases.len()));
}

#[tokio::test]
async fn a_row_that_cannot_become_a_message_is_a_dead_letter_and_its_neighbours_leave() {
    let world = World::new("bad_rows", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, SIZED).await;
    let created = || NewEvent::new("order.created", "{}").dead_letter("INVALID_EVENT");
    let table = format!("{{\"h\": \"{}\"}}", "y".repeat(200_000));
    let deep = format!("{{\"h\": {}1{}}}", "[".repeat(200), "]".repeat(200));
    let cases = [
        (NewEvent::poison(), "300 bytes"),
        (created().headers("[1, 2]"), "not a JSON object"),
        (created().headers("\"text\""), "not a JSON object"),
        (created().headers(&table), "a frame holds"),
        (created().headers(&deep), ""),
        (created().headers(r#"{"CC": ["a"]}"#), "'CC' is reserved"),
        (created().headers(r#"{"x-outbox-seq": 1}"#), "'x-outbox-seq' is reserved"),
        (created().headers(r#"{"x-death": []}"#), "'x-death' is reserved"),
        (created().headers(r#"{"x-delay": 60000}"#), "allow_headers = [\"x-delay\"]"),
        (created().headers(r#"{"X-Deduplication-Header": "a"}"#), "has to allow it"),
        (created().headers(r#"{"a\u0000b": 1}"#), "NUL"),
        (NewEvent::new("order.created", "null").dead_letter("INVALID_EVENT"), "null"),
    ];
    expect_dead_letters(&world, &mut relay, &cases).await;
}

#[tokio::test]
async fn a_payload_over_the_relays_limit_is_a_dead_letter_and_its_neighbours_leave() {
    let world = World::new("bad_size", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, SIZED).await;
    let large = |bytes| NewEvent::new("order.created", &json_of(bytes)).dead_letter("PAYLOAD_TOO_LARGE");
    let cases =
        [(large(10 << 20), "more than the limit of 1048576"), (large(1 << 20), "more than the limit of 1048576")];
    expect_dead_letters(&world, &mut relay, &cases).await;
}

/// Small rows are read with the claim itself, whatever the limit is.
#[tokio::test]
async fn a_small_payload_over_a_small_limit_is_a_dead_letter_too() {
    let world = World::new("bad_small_size", [orders()]).await;
    let _consumer = world.consume("orders");
    let flags = ["--max-message-size", "2KiB", "--batch-size", "1", "--workers", "1"];
    let mut relay = Relay::start(&world.bed, &flags).await;
    let large = NewEvent::new("order.created", &json_of(2 << 10)).dead_letter("PAYLOAD_TOO_LARGE");
    expect_dead_letters(&world, &mut relay, &[(large, "more than the limit of 2048")]).await;
}

#[tokio::test]
async fn a_payload_just_under_the_relays_limit_is_delivered() {
    let world = World::new("good_size", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, SIZED).await;
    let payload = json_of((1 << 20) - json_of(0).len());
    assert_eq!(payload.len(), 1 << 20);
    world.commit_each(&keys("large", 3), |_| vec![NewEvent::new("order.created", &payload)]).await;
    world.finish(&mut relay).await.assert_clean(0);
}

#[tokio::test]
async fn a_payload_over_the_brokers_limit_is_a_dead_letter_and_its_neighbours_leave() {
    let services = PrivateServices::start("bad_broker", &["rabbitmq"], Some("max_message_size = 1000000\n")).await;
    let world = World::on(&services, [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &[]).await;
    for bytes in [1_000_000, 3_000_000] {
        let bad = NewEvent::new("order.created", &json_of(bytes)).dead_letter("PAYLOAD_TOO_LARGE");
        world.commit_each(&keys(&format!("good-{bytes}"), 40), |key| good(key, 5)).await;
        let middle = |key: &str| [good(key, 2), vec![bad.clone()], good(key, 3)].concat();
        world.commit_each(&[format!("bad-{bytes}")], middle).await;
    }
    world.quiet().await;
    assert_eq!(relay.metric("outbox_retries_total").await, 0.0, "nobody was charged");
    let errors: Vec<String> = world.ask("SELECT array_agg(last_error) FROM outbox.dead_letters", &[]).await;
    assert!(errors.iter().all(|error| error.contains("larger than")), "{errors:?}");
    let verdict = world.finish(&mut relay).await;
    // The broker closes the channel over such a row; what was in flight beside it is sent again.
    verdict.assert_clean(2 * 500);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (2 * (40 * 5 + 5), 2));
}

#[tokio::test]
async fn a_time_that_no_message_can_carry_is_a_dead_letter_and_its_neighbours_leave() {
    let world = World::new("bad_time", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut client = world.bed.client().await;
    world.commit_each(&keys("before", 20), |key| good(key, 5)).await;
    for (number, time) in ["infinity", "-infinity", "10000-01-01"].iter().enumerate() {
        let bad = NewEvent::new("order.created", "{}").dead_letter("INVALID_EVENT");
        let events = [vec![bad], good("", 2)].concat();
        let ids = world.writer.commit_events(&mut client, &format!("bad-{number}"), events).await;
        let update = "UPDATE outbox.events SET created_at = $2::text::timestamptz WHERE id = $1";
        assert_eq!(client.execute(update, &[&ids[0], time]).await.expect("the time is set"), 1);
    }
    world.commit_each(&keys("after", 20), |key| good(key, 5)).await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (2 * 100 + 3 * 2, 3));
}

/// The database refuses dead letters of this type, as a policy or a full disk might.
const REFUSE: &str = "
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no dead letters today'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON outbox.dead_letters FOR EACH ROW EXECUTE FUNCTION refuse();";

#[tokio::test]
async fn a_dead_letter_that_the_database_refuses_loses_no_marks() {
    let world = World::new("bad_refused", [orders()]).await;
    let client = world.bed.client().await;
    client.batch_execute(REFUSE).await.expect("dead letters are refused");
    let _consumer = world.consume("orders");
    let middle = |key: &str| [good(key, 2), vec![NewEvent::poison()], good(key, 3)].concat();
    world.commit_each(&["bad".to_owned()], middle).await;
    world.commit_each(&keys("good", 20), |key| good(key, 5)).await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    let refused = async || relay.metric_where("outbox_failures_total", r#"reason="settle_refused""#).await >= 1.0;
    eventually(SOON, "the refusal is counted", refused).await;
    world.arrived(SOON, 2 + 100).await;
    eventually(SOON, "all but the bad row and its successors are marked", async || world.bed.pending().await == 4)
        .await;
    client.batch_execute("DROP TRIGGER refuse ON outbox.dead_letters").await.expect("dead letters are taken");
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (5 + 100, 1));
}

#[tokio::test]
async fn dead_letters_that_the_database_refuses_do_not_fill_the_log() {
    let world = World::new("bad_quiet", [orders()]).await;
    let client = world.bed.client().await;
    client.batch_execute(REFUSE).await.expect("dead letters are refused");
    let _consumer = world.consume("orders");
    world.commit_each(&keys("bad", 20), |key| [vec![NewEvent::poison()], good(key, 1)].concat()).await;
    world.commit_each(&keys("good", 20), |key| good(key, 5)).await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.arrived(SOON, 100).await;
    let refused = async || relay.metric_where("outbox_failures_total", r#"reason="settle_refused""#).await >= 200.0;
    eventually(SOON, "200 refusals are counted", refused).await;
    let lines = relay.log().lines().count();
    println!("{lines} lines after 200 refusals");
    assert!(lines < 100, "{lines} lines\n{}", relay.log());
    eventually(SOON, "all but the bad rows and their successors are marked", async || world.bed.pending().await == 40)
        .await;
    assert_eq!(world.bed.dead_letters().await.len(), 0);
    client.batch_execute("DROP TRIGGER refuse ON outbox.dead_letters").await.expect("dead letters are taken");
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (20 + 100, 20));
}

#[tokio::test]
async fn a_nul_in_the_brokers_words_loses_no_marks() {
    let world = World::new("bad_nul", []).await;
    let text = "ACCESS_REFUSED - access to exchange 'order.events' in vhost '/' refused for user 'gu\0est'";
    let broker = FakeBroker::start(Behaviour::CloseChannel { after: 100, code: 403, text });
    world.commit_each(&keys("good", 300), |key| good(key, 1)).await;
    let mut relay = Relay::start(&world.bed, &["--amqp-url", &broker.url()]).await;
    eventually(SOON, "every event is marked", async || world.bed.pending().await == 0).await;
    assert_eq!(relay.metric_where("outbox_failures_total", r#"reason="settle_refused""#).await, 0.0);
    assert!(relay.log().contains("on hold"), "the refusal was seen\n{}", relay.log());
    assert_eq!(broker.published().len(), 300);
    assert_eq!(relay.stop(Duration::from_secs(30)).await.code(), Some(0));
    assert_eq!(world.bed.dead_letters().await.len(), 0);
}
