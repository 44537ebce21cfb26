//! No fault of the infrastructure costs a message anything: the consumer pauses, and goes on.

use std::sync::Arc;

use order_domain::amqp::ConsumerState;
use tokio_postgres::Client;

use crate::ledger::{Ledger, Step};
use crate::stage::{Running, SOON, Stage, quick};
use testkit::proxy::{Faults, Proxy};
use testkit::urls::{addr_of, with_addr};
use testkit::wait::eventually;

async fn paused(running: &Running, source: usize) {
    eventually(SOON, "the consumer pauses", async || {
        matches!(running.consumers.health()[source].state, ConsumerState::Paused(_))
    })
    .await;
}

fn nothing_was_charged(ledger: &Ledger) {
    assert_eq!((ledger.said("retried"), ledger.said("dead letter")), (0, 0), "{:?}", ledger.everything());
}

#[tokio::test]
async fn the_database_is_away_and_no_attempt_is_charged() {
    let stage = Stage::new().await;
    let proxy = Proxy::start(addr_of(stage.database.url())).await;
    let ledger = Arc::new(Ledger::new(&with_addr(stage.database.url(), proxy.addr()), |_, _| Step::Apply));
    let running = stage.start(&ledger, quick());
    running.ready().await;
    for number in 0..10 {
        stage.fact(&format!("before-{number}"), "order-1").await;
    }
    eventually(SOON, "the database is there", async || ledger.said("applied") == 10).await;

    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.reset_all();
    for number in 0..30 {
        stage.fact(&format!("while-{number}"), "order-1").await;
    }
    paused(&running, 3).await;
    // Several rounds of trying one message.
    let before = ledger.said("handed back");
    eventually(SOON, "it tries now and then", async || ledger.said("handed back") >= before + 5).await;
    nothing_was_charged(&ledger);
    assert_eq!(
        running.consumers.health()[0].state,
        ConsumerState::Running,
        "the others, which know nothing of it, run"
    );

    proxy.heal();
    eventually(SOON, "all are applied", async || stage.effects().await == (40, 40)).await;
    nothing_was_charged(&ledger);
    eventually(SOON, "the consumer runs", async || running.consumers.health()[3].state == ConsumerState::Running).await;
    running.end().await;
}

#[tokio::test]
async fn a_lock_timeout_pauses_and_charges_nothing() {
    let stage = Stage::new().await;
    let database = stage.database.client().await;
    let name =
        stage.database.url().rsplit('/').next().and_then(|rest| rest.split('?').next()).expect("a name").to_owned();
    database.batch_execute(&format!("ALTER DATABASE {name} SET lock_timeout = '100ms'")).await.expect("set");
    let ledger = Arc::new(stage.ledger(|_, _| Step::Apply));
    let running = stage.start(&ledger, quick());
    running.ready().await;
    let locker: Client = stage.database.client().await;
    locker.batch_execute("BEGIN; LOCK TABLE effects IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    stage.fact("m-1", "order-1").await;
    paused(&running, 3).await;
    locker.batch_execute("COMMIT").await.expect("unlocked");
    eventually(SOON, "it is applied", async || ledger.said("applied") == 1).await;
    nothing_was_charged(&ledger);
    running.end().await;
}

#[tokio::test]
async fn three_faults_in_a_row_on_different_messages_pause_and_a_success_between_does_not() {
    let stage = Stage::new().await;
    let ledger =
        Arc::new(stage.ledger(|message, _| if message.id.starts_with("bad") { Step::Fail } else { Step::Apply }));
    let running = stage.start(&ledger, quick());
    running.ready().await;
    for number in 0..2 {
        stage.fact(&format!("bad-{number}"), "order-1").await;
        eventually(SOON, "it failed", async || ledger.said("retried 1") == number + 1).await;
        stage.fact(&format!("good-{number}"), "order-1").await;
        eventually(SOON, "it is applied", async || ledger.said("applied") == number + 1).await;
    }
    for number in 2..6 {
        stage.fact(&format!("bad-{number}"), "order-1").await;
    }
    eventually(SOON, "the consumer pauses", async || ledger.said("paused payment") > 0).await;
    // It is no deadlock: each of them is put aside in the end, and the good ones behind them are handled.
    stage.fact("good-9", "order-1").await;
    eventually(SOON, "the last one is applied", async || ledger.said("applied") == 3).await;
    eventually(SOON, "the bad ones are put aside", async || stage.letters().await.len() == 6).await;
    assert_eq!(stage.effects().await, (3, 3));
    running.end().await;
}
