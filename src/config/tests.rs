//! Wrong values are found together, and URLs work as pasted.

use std::time::Duration;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::broker::amqp_url;
use crate::config::problems::Problems;
use crate::config::run::{RunConfig, run_config};

fn config(extra: &[&str]) -> Result<RunConfig, Vec<String>> {
    let mut args = vec!["outbox-relay", "run"];
    args.extend(extra);
    match Cli::try_parse_from(args).expect("the syntax is right").command {
        Command::Run(args) => run_config(&args),
        Command::Migrate(_) | Command::Routes(_) => panic!("asked for run"),
    }
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
    ] {
        assert!(
            problems.iter().any(|problem| problem.starts_with(&format!("{flag}:"))),
            "{flag} is missing in {problems:#?}"
        );
    }
    assert!(!problems.join("\n").contains("hunter2"), "{problems:#?}");
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
fn amqp_urls_work_as_pasted() {
    for (url, host, vhost) in [
        ("amqp://u:p@h:5672", "h", "/"),
        ("amqp://u:p@h:5672/", "h", "/"),
        ("amqp://u:p@h:5672/%2f", "h", "/"),
        ("amqp://u:p@h/shop", "h", "shop"),
        ("amqp://u:p@[::1]:5672/shop", "::1", "shop"),
        ("amqp://[::1]:5672", "::1", "/"),
    ] {
        let mut problems = Problems::default();
        let uri = amqp_url(&mut problems, url).unwrap_or_else(|| panic!("{url}: {:?}", problems.0));
        assert_eq!((uri.authority.host.as_str(), uri.vhost.as_str()), (host, vhost), "{url}");
    }
}

#[test]
fn a_remote_database_without_tls_needs_to_be_asked_for() {
    let remote = ["--database-url", "postgres://u@db.example/shop", "--amqp-url", "amqp://127.0.0.1"];
    assert!(config(&remote).expect_err("no TLS").join("").contains("sslmode=disable"));
    let trusted = ["--database-url", "postgres://u@db.example/shop?sslmode=disable", "--amqp-url", "amqp://127.0.0.1"];
    assert!(config(&trusted).is_ok());
}
