//! Variables as people and templates write them: empty ones, switches, levels, names with a mistake.

use serde_json::Value;
use testkit::command::{Command, Ended};

const GOOD: [(&str, &str); 2] =
    [("OUTBOX_DATABASE_URL", "postgres://u@127.0.0.1/shop"), ("OUTBOX_AMQP_URL", "amqp://127.0.0.1/%2f")];

async fn offline(variables: &[(&str, &str)]) -> Ended {
    let command = Command::new(&["check", "--offline", "--json"]);
    let all = GOOD.iter().chain(variables);
    all.fold(command, |command, (name, value)| command.env(name, value)).run().await
}

#[tokio::test]
async fn an_empty_variable_of_any_flag_is_as_good_as_none() {
    let plain = offline(&[]).await.with_code(0).json();
    let help = Command::new(&["run", "--help"]).run().await.with_code(0).stdout;
    let names = help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next());
    let names: Vec<&str> = names.filter(|name| GOOD.iter().all(|(good, _)| good != name)).collect();
    assert!(names.len() > 30, "{names:?}");
    let empty: Vec<(&str, &str)> = names.iter().map(|name| (*name, "")).collect();
    assert_eq!(offline(&empty).await.with_code(0).json(), plain);
}

#[tokio::test]
async fn a_switch_takes_what_people_write() {
    for (value, code) in
        [("1", 0), ("yes", 0), ("on", 0), ("TRUE", 0), ("0", 0), ("no", 0), ("false", 0), ("maybe", 64)]
    {
        let ended = offline(&[("OUTBOX_DECLARE", value)]).await;
        assert_eq!(ended.code, Some(code), "{value}: {ended:?}");
    }
}

#[tokio::test]
async fn a_word_that_is_not_a_level_is_refused_with_the_nearest() {
    offline(&[("OUTBOX_LOG_LEVEL", "warning")]).await.with_code(0);
    offline(&[("OUTBOX_LOG_LEVEL", "inof")]).await.with_code(64).saying("did you mean info?");
    offline(&[("OUTBOX_LOG_LEVEL", "verbose")]).await.with_code(64).saying("error, warn, info, debug");
}

#[tokio::test]
async fn an_unknown_variable_is_warned_of_with_the_nearest_and_without_its_value() {
    let ended =
        offline(&[("OUTBOX_DATABASE_PASWORD", "hunter2"), ("OUTBOX_RELAY_PORT_9632_TCP", "tcp://10.0.0.1")]).await;
    let document = ended.with_code(0);
    let findings = document.json()["findings"].as_array().expect("findings").clone();
    let about: Vec<&Value> = findings.iter().filter(|finding| finding["check"] == "variable").collect();
    assert_eq!(about.len(), 1, "{findings:?}");
    assert_eq!(about[0]["verdict"], "warn");
    assert!(about[0]["found"].as_str().is_some_and(|found| found.contains("OUTBOX_DATABASE_PASWORD")));
    assert!(about[0]["fix"].as_str().is_some_and(|fix| fix.contains("OUTBOX_DATABASE_PASSWORD")));
    assert!(!document.stdout.contains("hunter2"));
}
