//! Values of flags as people mistype them: never a panic, never a value out of its range, never a password in what is said about it.

use std::time::Duration;

use clap::Parser;
use outbox_relay::cli::{Cli, Command};
use outbox_relay::config::run::{RunConfig, run_config};
use proptest::prelude::*;

const PASSWORD: &str = "hunter2secret";

fn config(extra: &[String]) -> Option<Result<RunConfig, Vec<String>>> {
    let good = ["outbox-relay", "run", "--database-url=postgres://u@127.0.0.1/shop", "--amqp-url=amqp://127.0.0.1/%2f"];
    let names: Vec<&str> = extra.iter().filter_map(|arg| arg.split('=').next()).collect();
    let kept = good.iter().filter(|arg| !names.contains(&arg.split('=').next().unwrap_or_default()));
    let args: Vec<String> = kept.map(ToString::to_string).chain(extra.iter().cloned()).collect();
    let Command::Run(args) = Cli::try_parse_from(args).ok()?.command else { panic!("asked for run") };
    Some(run_config(&args))
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[0-9]{0,25}(\\.[0-9]{1,3})?( ?)(ms|s|m|h|d|w|y|MiB|KiB|GiB|MB|k|)",
        1 => "-?[0-9]{1,30}",
        1 => Just("off".to_owned()),
        2 => "\\PC{0,20}",
        1 => "([0-9]{1,20}(s|m|h|d|y) ?){1,6}",
    ]
}

const FLAGS: [&str; 16] = [
    "batch-size",
    "batch-bytes",
    "workers",
    "max-retries",
    "retry-backoff-min",
    "retry-backoff-max",
    "confirm-timeout",
    "batch-deadline",
    "drain-timeout",
    "retention",
    "max-message-size",
    "poll-interval",
    "admin-addr",
    "schema",
    "log-level",
    "wake",
];

/// A URL with the password in its place, and pieces that do not belong there.
fn url(scheme: &'static str) -> impl Strategy<Value = String> {
    let odd =
        || prop_oneof![3 => Just(String::new()), 1 => "[@:/?#%&=\\[\\]]{1,2}", 1 => "\\PC{1,3}", 1 => "[a-z0-9.]{1,6}"];
    let query = prop_oneof![
        Just(String::new()),
        "\\?[a-z_]{1,12}=[a-z0-9/%]{0,8}(&[a-z_]{1,12}=[a-z0-9]{0,5})?",
        "\\?(sslmode|heartbeat|connection_timeout|channel_max|sslrootcert|options|host|port)=[a-z0-9-]{0,12}",
        Just(format!("?password={PASSWORD}")),
    ];
    let scheme = prop_oneof![6 => Just(scheme.to_owned()), 1 => "[a-z]{0,9}"];
    (scheme, odd(), odd(), odd(), odd(), query).prop_map(|(scheme, user, after, host, path, query)| {
        format!("{scheme}://u{user}:{PASSWORD}{after}@127.0.0.1{host}/shop{path}{query}")
    })
}

fn assert_in_range(config: &RunConfig) -> Result<(), TestCaseError> {
    let day = Duration::from_secs(86_400);
    prop_assert!((1..=16).contains(&config.workers));
    prop_assert!((1..=10_000).contains(&config.limits.events) && config.limits.bytes >= 64 << 10);
    prop_assert!(config.limits.bytes <= 1 << 30 && config.limits.payload_bytes <= 512 << 20);
    prop_assert!(
        config.batch_deadline >= Duration::from_millis(100) && config.batch_deadline <= Duration::from_secs(8)
    );
    prop_assert!(config.policy.confirm_timeout >= config.batch_deadline);
    prop_assert!(config.policy.steps.min <= config.policy.steps.max && config.policy.steps.max <= day);
    prop_assert!(config.policy.retries_max <= 100);
    prop_assert!(!config.poll_interval.is_zero() && !config.drain_timeout.is_zero());
    prop_assert!(config.retention.is_none_or(|kept| kept >= Duration::from_secs(1) && kept <= 3_650 * day));
    prop_assert!(config.schema.len() <= 50 && !config.schema.is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_of_any_flag_is_in_its_range_or_refused_by_name(
        values in proptest::collection::vec((0usize..FLAGS.len(), value()), 1..5),
    ) {
        let mut flags: Vec<(&str, String)> = values.into_iter().map(|(flag, value)| (FLAGS[flag], value)).collect();
        flags.sort();
        flags.dedup_by_key(|(flag, _)| *flag);
        let args: Vec<String> = flags.iter().map(|(flag, value)| format!("--{flag}={value}")).collect();
        match config(&args) {
            Some(Ok(config)) => assert_in_range(&config)?,
            Some(Err(problems)) => {
                prop_assert!(!problems.is_empty() && problems.iter().all(|problem| problem.starts_with("--")), "{:?}", problems);
            }
            // clap itself refuses the syntax.
            None => {}
        }
    }

    #[test]
    fn a_database_url_is_taken_or_refused_without_its_password(url in url("postgres")) {
        if let Some(Err(problems)) = config(&[format!("--database-url={url}")]) {
            let said = problems.join("\n");
            prop_assert!(said.contains("--database-url"), "{}", said);
            prop_assert!(!said.contains(PASSWORD), "{}", said);
        }
    }

    #[test]
    fn a_broker_url_is_taken_or_refused_without_its_password(url in url("amqp")) {
        if let Some(Err(problems)) = config(&[format!("--amqp-url={url}")]) {
            let said = problems.join("\n");
            prop_assert!(said.contains("--amqp-"), "{}", said);
            prop_assert!(!said.contains(PASSWORD), "{}", said);
        }
    }
}
