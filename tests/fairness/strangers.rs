//! Row 11: a session that is no relay's and holds the relays' locks is named.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::field::{Field, SOON, command, lines};
use testkit::program;
use testkit::{Relay, eventually};

/// A session that has taken some of the relays' locks, and its process id.
async fn stranger(field: &Field, locks: &str) -> (Client, i32) {
    let client = field.bed.client().await;
    client.batch_execute("SET application_name = 'a cron job'").await.expect("a name");
    client.batch_execute(&format!("BEGIN; SELECT {locks}")).await.expect("anyone may take advisory locks");
    let pid = client.query_one("SELECT pg_backend_pid()", &[]).await.expect("a pid").get(0);
    (client, pid)
}

#[tokio::test]
async fn whoever_holds_the_lanes_and_is_no_relay_is_named_by_status_trace_check_and_one_warning() {
    let field = Field::new("strangers_lanes").await;
    let all = "pg_advisory_xact_lock(hashtext('\"outbox\".lanes'), lane) FROM generate_series(0, 63) lane";
    let (client, pid) = stranger(&field, all).await;
    let relay = Relay::start(&field.bed, &[]).await;
    field.insert("order", 5, "order.paid").await;
    let (database, session) = (field.bed.database_url(), format!("session {pid}"));

    let status = command(&["status", "--json", "--database-url", &database]).await.json();
    let holder = &status["lock_strangers"][0];
    assert_eq!((holder["pid"].as_i64(), holder["locks"].as_i64()), (Some(pid.into()), Some(64)), "{status}");
    assert_eq!((&holder["what"], &holder["application_name"]), (&"lanes".into(), &"a cron job".into()), "{status}");
    let shown = command(&["status", "--database-url", &database]).await;
    assert!(shown.stdout.contains(&session) && shown.stdout.contains("pg_terminate_backend"), "{}", shown.stdout);

    let traced = command(&["trace", "order-1", "--database-url", &database]).await;
    assert!(traced.stdout.contains(&session), "{}", traced.stdout);
    assert!(!traced.stdout.contains("a relay holds its lane"), "{}", traced.stdout);

    let amqp = field.bed.amqp_url();
    let checked = command(&["check", "--json", "--database-url", &database, "--amqp-url", &amqp]).await.json();
    let findings = checked["findings"].as_array().expect("findings");
    let finding = findings.iter().find(|finding| finding["check"] == "locks").expect("a finding about locks");
    assert_eq!(finding["verdict"], "warn", "{finding}");
    assert!(finding["found"].as_str().is_some_and(|found| found.contains(&session)), "{finding}");

    let warned = async || lines(&relay.log(), "a session that is no relay's holds") == 1;
    eventually(SOON * 2, "the relay warns", warned).await;
    let log = relay.log();
    let line = log.lines().find(|line| line.contains("a session that is no relay's holds")).expect("it is there");
    assert!(line.contains(&pid.to_string()) && line.contains("a cron job"), "{line}");

    client.batch_execute("ROLLBACK").await.expect("it lets go");
    eventually(SOON, "everything leaves", async || field.pending("order").await == 0).await;
    let status = command(&["status", "--json", "--database-url", &database]).await.json();
    assert_eq!(status["lock_strangers"].as_array().map(Vec::len), Some(0), "{status}");
    assert_eq!(lines(&relay.log(), "a session that is no relay's holds"), 1, "said once");
}

#[tokio::test]
async fn migrate_names_who_holds_its_lock_and_goes_on_when_it_ends() {
    let field = Field::new("strangers_migrate").await;
    let (client, pid) = stranger(&field, "pg_advisory_xact_lock(hashtext('\"outbox\".migrate'))").await;
    let mut migrate = Command::new(program::relay());
    migrate.args(["migrate", "--database-url", &field.bed.database_url()]).stdin(Stdio::null()).kill_on_drop(true);
    let child = migrate.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("migrate starts");
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually(SOON, "migrate waits", async || field.ask::<i64>(waits, &[]).await == 1).await;
    client.batch_execute("ROLLBACK").await.expect("it lets go");
    let output = timeout(Duration::from_secs(30), child.wait_with_output()).await.expect("in time").expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("session {pid} (role")) && said.contains("a cron job"), "{said}");
}
