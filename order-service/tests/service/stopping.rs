//! SIGTERM, and starts that cannot be.

use std::process::Command;

use crate::bodies;
use crate::database::Database;
use crate::program;
use crate::stage::{Stage, place, until};

#[tokio::test]
async fn a_request_that_has_begun_is_answered_after_sigterm_and_the_exit_code_is_0() {
    let Stage { database, service } = Stage::with(&[
        "--lock-seconds-max",
        "60",
        "--statement-seconds-max",
        "60",
        "--request-seconds-max",
        "60",
        "--drain-seconds-max",
        "60",
    ])
    .await;
    let (holder, watcher) = (database.client().await, database.client().await);
    holder.batch_execute("BEGIN; LOCK TABLE outbox.events IN EXCLUSIVE MODE").await.expect("locked");
    let request = tokio::spawn(place(service.address, "key-1", bodies::ORDER));
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'outbox.events'::regclass)";
    until(&watcher, "the request has begun", waits).await;
    service.terminate();
    while tokio::net::TcpStream::connect(service.address).await.is_ok() {
        tokio::task::yield_now().await; // until it does not listen any more
    }
    holder.batch_execute("ROLLBACK").await.expect("released");
    request.await.expect("no panic").expect("an answer").data(201);
    assert_eq!(service.ended().await.code(), Some(0));
}

#[tokio::test]
async fn migrating_alone_and_many_times_at_once_creates_the_tables() {
    let database = Database::new().await;
    let start = || {
        let mut command = Command::new(program::path());
        command.args(["--migrate", "--database-url", database.url()]).spawn().expect("it starts")
    };
    let all: Vec<_> = (0..4).map(|_| start()).collect();
    for mut child in all {
        assert!(child.wait().expect("it ends").success());
    }
    let sql = "SELECT count(*) FROM order_service.orders";
    assert_eq!(database.client().await.query_one(sql, &[]).await.expect("counted").get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_start_without_the_relays_tables_or_with_wrong_flags_says_so() {
    let database = Database::new().await;
    let run = |flags: &[&str]| Command::new(program::path()).args(flags).output().expect("it runs");
    let output = run(&["--database-url", database.url(), "--outbox-schema", "elsewhere", "--listen", "127.0.0.1:0"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{errors}");
    assert!(errors.contains("outbox-relay migrate --schema elsewhere"), "{errors}");
    assert_eq!(run(&["--pool-size", "0", "--database-url", "x"]).status.code(), Some(64));
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("[default: 127.0.0.1:8080]"));
}
