//! `migrate --order-writers`: writers of one key take turns, whichever of order and event they write first, by INSERT, COPY and `emit`,
//! at every isolation level and with a commit in two phases. And what it does not do: it cannot keep two locks from a deadlock.

use std::io::Cursor;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::future::join_all;
use testkit::{TestBed, eventually};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::migrate::command::{migrate, migrated};

const PATIENCE: Duration = Duration::from_secs(30);
const WORKERS: usize = 8;
const TRANSACTIONS: usize = 100;

const EVENT: &str = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                     VALUES ('Order', 'order-1', 'order.paid', '{}')";
const ORDER: &str = "UPDATE orders SET version = version + 1 WHERE id = 'order-1'";

async fn ordered(name: &str) -> TestBed {
    let bed = TestBed::new(name).await;
    migrated(&bed, &["--order-writers"]).await;
    new_order(&bed).await;
    bed
}

async fn new_order(bed: &TestBed) {
    run(&bed.client().await, "INSERT INTO orders (id, version) VALUES ('order-1', 0), ('order-2', 0)").await;
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

async fn pid(client: &Client) -> i64 {
    number(client, "SELECT pg_backend_pid()::bigint").await
}

async fn waits_for_a_lock(watcher: &Client, pid: i64) {
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock' AND state = 'active'"
    );
    eventually(PATIENCE, "the writer waits its turn", async || number(watcher, &waiting).await == 1).await;
}

/// How an ORM's flush does it: the event first, then the order; the payload is the order's own count.
async fn event_first(bed: &TestBed, insert: &str) -> i64 {
    let writers = (0..WORKERS).map(|_| async {
        let client = bed.client().await;
        for _ in 0..TRANSACTIONS {
            run(&client, &format!("BEGIN; {insert};")).await;
            let version =
                number(&client, "UPDATE orders SET version = version + 1 WHERE id = 'order-1' RETURNING version").await;
            let place = format!(
                "UPDATE outbox.events SET correlation_id = '{version}' WHERE xmin = pg_current_xact_id()::xid; COMMIT"
            );
            run(&client, &place).await;
        }
    });
    join_all(writers).await;
    let misplaced =
        "SELECT count(*) FROM (SELECT correlation_id::bigint AS version, row_number() OVER (ORDER BY seq) AS place
                     FROM outbox.events WHERE aggregate_id = 'order-1') e WHERE version <> place";
    number(&bed.client().await, misplaced).await
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_insert_the_event_before_they_change_the_order_are_misplaced_without_it_and_in_order_with_it() {
    let without = TestBed::new("unordered writers").await;
    migrated(&without, &[]).await;
    new_order(&without).await;
    let misplaced = event_first(&without, EVENT).await;
    assert!(misplaced > 0, "the case shows nothing where the writers are in order by chance");
    let with = ordered("ordered writers").await;
    assert_eq!(event_first(&with, EVENT).await, 0, "without the trigger {misplaced} of 800 were misplaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn emit_and_append_take_the_turn_without_the_trigger_if_asked() {
    let bed = TestBed::new("ordered emit").await;
    migrated(&bed, &[]).await;
    new_order(&bed).await;
    let emit = "SELECT outbox.emit('Order', 'order-1', 'order.paid', '{}', ordered => true)";
    assert_eq!(event_first(&bed, emit).await, 0);
    let client = bed.client().await;
    run(&client, "DELETE FROM outbox.events; UPDATE orders SET version = 0").await;
    let append = "CALL outbox.append('Order', 'order-1', 'order.paid', json '{}', ordered => true)";
    assert_eq!(event_first(&bed, append).await, 0);
}

#[tokio::test]
async fn a_second_writer_of_the_key_waits_and_one_of_another_key_does_not() {
    let bed = ordered("turns").await;
    let mut first = bed.client().await;
    let second = bed.client().await;
    let other = bed.client().await;
    let watcher = bed.client().await;
    let open = first.transaction().await.expect("a transaction");
    open.batch_execute(EVENT).await.expect("the first event");
    run(&other, &format!("SET lock_timeout = '5s'; {}", EVENT.replace("order-1", "order-2"))).await;
    let waiting = pid(&second).await;
    let later = tokio::spawn(async move {
        run(&second, &EVENT.replace("'{}'", "'{\"second\": true}'")).await;
    });
    waits_for_a_lock(&watcher, waiting).await;
    open.commit().await.expect("the first commits");
    later.await.expect("the second commits");
    let order = "SELECT string_agg(coalesce(payload->>'second', 'false'), ',' ORDER BY seq) FROM outbox.events WHERE aggregate_id = 'order-1'";
    let order: String = watcher.query_one(order, &[]).await.expect("the order").get(0);
    assert_eq!(order, "false,true");
}

#[tokio::test]
async fn a_copy_takes_the_turns_of_its_keys_and_keeps_the_order_of_its_lines() {
    let bed = ordered("copied").await;
    let copying = bed.client().await;
    let watcher = bed.client().await;
    let copy = "COPY outbox.events (aggregate_type, aggregate_id, event_type, payload) FROM STDIN";
    let mut sink = Box::pin(copying.copy_in::<_, Cursor<Vec<u8>>>(copy).await.expect("a copy"));
    for line in (0..500).map(|n| format!("Order\torder-{}\torder.paid\t{{\"n\": {n}}}\n", n % 3)) {
        sink.send(Cursor::new(line.into_bytes())).await.expect("a line");
    }
    sink.as_mut().finish().await.expect("the copy ends");
    let turned =
        "SELECT count(*) FROM (SELECT (payload->>'n')::bigint AS n, row_number() OVER (ORDER BY seq) - 1 AS place
                  FROM outbox.events) e WHERE n <> place";
    assert_eq!(number(&watcher, turned).await, 0);
    assert_eq!(number(&watcher, "SELECT count(*) FROM outbox.events").await, 500);
}

/// Two keys of one lock: the rows of `writer_locks` are locked and never changed, which is no conflict for SERIALIZABLE.
#[tokio::test]
async fn serializable_writers_of_two_keys_that_share_a_lock_do_not_fail() {
    let bed = ordered("serializable").await;
    let mut first = bed.client().await;
    let second = bed.client().await;
    let watcher = bed.client().await;
    let pair = "SELECT array_agg(n ORDER BY n) FROM (SELECT n, hashtextextended('k' || n, 0) & 1023 AS slot
                FROM generate_series(1, 5000) n) k GROUP BY slot HAVING count(*) > 1 LIMIT 1";
    let keys: Vec<i32> = watcher.query_one(pair, &[]).await.expect("two keys").get(0);
    let insert = |n: i32| EVENT.replace("order-1", &format!("k{n}"));
    let open = first.build_transaction().isolation_level(tokio_postgres::IsolationLevel::Serializable).start().await;
    let open = open.expect("a transaction");
    open.batch_execute(&insert(keys[0])).await.expect("the first event");
    let waiting = pid(&second).await;
    let sql = format!("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; {}; COMMIT", insert(keys[1]));
    let later = tokio::spawn(async move { run(&second, &sql).await });
    waits_for_a_lock(&watcher, waiting).await;
    open.commit().await.expect("the first commits");
    later.await.expect("the second commits and needs no second attempt");
}

#[tokio::test]
async fn a_prepared_transaction_keeps_its_turn_until_it_is_committed() {
    let bed = ordered("prepared").await;
    let first = bed.client().await;
    let second = bed.client().await;
    let watcher = bed.client().await;
    let gid = bed.name();
    run(&first, &format!("BEGIN; {EVENT}; PREPARE TRANSACTION '{gid}'")).await;
    drop(first);
    let waiting = pid(&second).await;
    let later = tokio::spawn(async move { run(&second, EVENT).await });
    waits_for_a_lock(&watcher, waiting).await;
    run(&watcher, &format!("COMMIT PREPARED '{gid}'")).await;
    later.await.expect("the second commits");
    assert_eq!(number(&watcher, "SELECT count(*) FROM outbox.events").await, 2);
}

/// Whoever locks the order first meets one who inserts the event first: one of the two gets 40P01 and has to try again.
#[tokio::test]
async fn the_two_ways_to_write_one_order_side_by_side_are_a_deadlock_and_the_loser_may_try_again() {
    let bed = ordered("both ways").await;
    let by_order = bed.client().await;
    let by_event = bed.client().await;
    run(&by_order, &format!("BEGIN; {ORDER}")).await;
    run(&by_event, &format!("BEGIN; {EVENT}")).await;
    let (one, other) = tokio::join!(by_order.batch_execute(EVENT), by_event.batch_execute(ORDER));
    let lost: Vec<_> = [&one, &other].into_iter().filter_map(|ended| ended.as_ref().err()).collect();
    assert_eq!(lost.len(), 1, "one of them: {one:?} {other:?}");
    assert_eq!(lost[0].code(), Some(&SqlState::T_R_DEADLOCK_DETECTED));
    run(&by_order, "COMMIT").await;
    run(&by_event, "COMMIT").await;
    run(if one.is_err() { &by_order } else { &by_event }, &format!("BEGIN; {ORDER}; {EVENT}; COMMIT")).await;
    let both = "SELECT (SELECT version FROM orders WHERE id = 'order-1') * 10 + (SELECT count(*) FROM outbox.events)";
    assert_eq!(number(&bed.client().await, both).await, 22, "both are there once the loser tried again");
}

#[tokio::test]
async fn two_transactions_with_events_of_the_same_keys_in_another_order_are_a_deadlock() {
    let bed = ordered("several keys").await;
    let first = bed.client().await;
    let second = bed.client().await;
    let other = EVENT.replace("order-1", "order-2");
    run(&first, &format!("BEGIN; {EVENT}")).await;
    run(&second, &format!("BEGIN; {other}")).await;
    let (one, two) = tokio::join!(first.batch_execute(&other), second.batch_execute(EVENT));
    let lost: Vec<_> = [one, two].into_iter().filter_map(Result::err).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].code(), Some(&SqlState::T_R_DEADLOCK_DETECTED));
}

#[tokio::test]
async fn it_comes_and_goes_and_stays_where_nothing_is_said() {
    let bed = TestBed::new("order trigger").await;
    let client = bed.client().await;
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname = 'order_writers'";
    for (flags, expected) in [
        (&[][..], 0),
        (&["--order-writers"][..], 1),
        (&["--order-writers"][..], 1),
        (&[][..], 1),
        (&["--without-order-writers"][..], 0),
        (&["--without-order-writers"][..], 0),
    ] {
        migrated(&bed, flags).await;
        assert_eq!(number(&client, triggers).await, expected, "after {flags:?}");
    }
    assert_eq!(migrate(&bed, &["--order-writers", "--without-order-writers"]).await.code, Some(64));
}

/// The one who writes as the role with the printed grants may use the lock and cannot take it otherwise.
#[tokio::test]
async fn a_writer_with_the_printed_grants_takes_its_turn_and_cannot_touch_the_locks() {
    let bed = ordered("granted turns").await;
    let owner = bed.client().await;
    let role = format!("{}_w", bed.name());
    migrated(&bed, &["--grants", "--create-roles", "--writer-role", &role]).await;
    run(&owner, &format!("SET ROLE {role}; {EVENT}; SELECT outbox.lock_key('order-1')")).await;
    for refused in ["SELECT FROM outbox.writer_locks FOR UPDATE", "UPDATE outbox.writer_locks SET slot = slot"] {
        let error = owner.batch_execute(refused).await.expect_err(refused);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{refused}");
    }
    run(&owner, &format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
