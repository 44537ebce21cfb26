//! All wrong values are reported together, and services are reached securely unless told otherwise.

use std::time::Duration;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::run::{RunConfig, run_config};
use crate::outbox::store::Marking;

fn config(extra: &[&str]) -> Result<RunConfig, Vec<String>> {
    let mut args = vec!["outbox-relay", "run"];
    args.extend(extra);
    let Command::Run(args) = Cli::try_parse_from(args).expect("the syntax is right").command else {
        panic!("asked for run");
    };
    run_config(&args)
}

const GOOD: [&str; 4] = ["--database-url", "postgres://u@127.0.0.1/shop", "--amqp-url", "amqp://127.0.0.1:5672/%2f"];

#[test]
fn every_wrong_value_is_reported_together() {
    let problems = config(&[
        "--database-url=nonsense",
        "--amqp-url=http://u:hunter2@h",
        "--batch-size=0",
        "--retry-backoff-min=20s",
        "--workers=99",
        "--amqp-password-file=/nowhere/at/all",
        "--schema=Bad-Name",
        "--admin-addr=somewhere",
        "--batch-bytes=huge",
        "--wake=sometimes",
        "--log-format=xml",
        "--wake-from=everywhere",
        "--on-dead-letter=panic",
        "--retention=9999d",
    ])
    .expect_err("nothing of it is right");
    for flag in [
        "--database-url",
        "--amqp-url",
        "--batch-size",
        "--retry-backoff-min",
        "--workers",
        "--amqp-password-file",
        "--schema",
        "--admin-addr",
        "--batch-bytes",
        "--wake",
        "--log-format",
        "--wake-from",
        "--on-dead-letter",
    ] {
        assert!(
            problems.iter().any(|problem| problem.starts_with(&format!("{flag}:"))),
            "{flag} is missing in {problems:#?}"
        );
    }
    let all = problems.join("\n");
    for words in ["must be one of poll, listen, poke, got 'sometimes'", "must be 1s to 3650d, got 9999d"] {
        assert!(all.contains(words), "{words}: {all}");
    }
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn missing_services_are_named_with_their_variables() {
    let problems = config(&[]).expect_err("nothing is given").join("\n");
    assert!(problems.contains("OUTBOX_DATABASE_URL") && problems.contains("OUTBOX_AMQP_URL"), "{problems}");
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = config(&GOOD).expect("valid");
    assert_eq!((config.workers, config.limits.events, config.limits.bytes), (4, 500, 16 << 20));
    assert_eq!(config.retention, Some(Duration::from_secs(7 * 86_400)));
    assert_eq!(config.policy.retries_max, 3);
    assert!(config.listen.is_none());
}

#[test]
fn no_retention_deletes_confirmed_events_and_marks_are_durable_unless_told_otherwise() {
    let marking = |flags: &[&str]| config(&[&GOOD[..], flags].concat()).expect("valid").marking;
    assert_eq!(marking(&[]), Marking { deletes: false, is_durable: true });
    assert_eq!(marking(&["--retention", "off"]), marking(&[]));
    assert_eq!(marking(&["--retention", "0"]), Marking { deletes: true, is_durable: true });
    assert_eq!(marking(&["--mark-durability", "off"]), Marking { deletes: false, is_durable: false });
}

#[test]
fn a_remote_service_is_verified_unless_told_otherwise_and_its_user_is_named() {
    let with = |database: &str, amqp: &str| config(&["--database-url", database, "--amqp-url", amqp]);
    let (database, amqp) = ("postgres://u@db.example/shop", "amqps://u@mq.example");
    assert!(with(database, amqp).is_ok());
    assert!(with(&format!("{database}?sslmode=disable"), "amqp://u@mq.example").is_ok());
    let guest = with(database, "amqps://mq.example").expect_err("guest is for loopback").join("");
    assert!(guest.starts_with("--amqp-url: names no user") && guest.contains("--amqp-user"), "{guest}");
    let urls = ["--database-url", database, "--amqp-url", "amqps://mq.example"];
    assert!(config(&[&urls[..], &["--amqp-user", "relay"]].concat()).is_ok());
    let verify_ca = with(&format!("{database}?sslmode=verify-ca"), amqp).expect_err("no authority").join("");
    assert!(verify_ca.contains("--database-ca-file"), "{verify_ca}");
}

#[test]
fn what_is_given_twice_or_cannot_be_read_is_named() {
    let twice = [&GOOD[..], &["--database-url-file", "/nowhere", "--amqp-ca-file", "/nowhere/ca.pem"]].concat();
    let problems = config(&twice).expect_err("twice").join("\n");
    assert!(problems.contains("--database-url: given together with --database-url-file"), "{problems}");
    let tls = ["--database-url", GOOD[1], "--amqp-url", "amqps://u@mq.example", "--amqp-ca-file", "/nowhere/ca.pem"];
    let problems = config(&tls).expect_err("no such file").join("\n");
    assert!(
        problems.starts_with("--amqp-ca-file: the CA file '/nowhere/ca.pem' cannot be used: no such file"),
        "{problems}"
    );
    let listen =
        [&GOOD[..], &["--wake", "listen", "--listen-database-url", "postgres://u@h/d?pgbouncer=true"]].concat();
    let problems = config(&listen).expect_err("a parameter of another tool").join("\n");
    assert!(problems.starts_with("--listen-database-url: unknown parameter 'pgbouncer'"), "{problems}");
}

#[test]
fn the_end_of_a_long_pod_name_is_kept() {
    use super::short_host;
    let pods = ["x7k2p", "9bq4z"]
        .map(|end| short_host(&format!("a-very-long-name-of-a-service-outbox-relay-7d9c6b5f44-{end}")));
    assert_eq!(pods, ["outbox-relay-7d9c6b5f44-x7k2p", "outbox-relay-7d9c6b5f44-9bq4z"]);
    assert_eq!([short_host("shop-0"), short_host("ü")], ["shop-0", "unknown"]);
}
