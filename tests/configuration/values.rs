//! Wrong configurations: every wrong value is reported together, the exit code is 64, and nothing has been connected.

use testkit::TestBed;

use crate::configuration::{refused, refused_unconnected};

#[tokio::test]
async fn every_wrong_value_is_reported_together_and_nothing_is_connected() {
    let bed = TestBed::new("wrong values").await;
    let said = refused_unconnected(
        &bed,
        &[
            "--database-password-file",
            "/nowhere/at/all",
            "--batch-size",
            "0",
            "--retry-backoff-min",
            "20s",
            "--retry-backoff-max",
            "10s",
            "--poll-interval",
            "soon",
        ],
    )
    .await;
    for flag in ["--database-password-file", "--batch-size", "--retry-backoff-min", "--poll-interval"] {
        let lines = said.lines().filter(|line| line.contains(&format!("{flag}:"))).count();
        assert_eq!(lines, 1, "{flag} is reported once, on a line of its own\n{said}");
    }
    assert!(said.contains("/nowhere/at/all"), "{said}");
}

#[tokio::test]
async fn wrong_urls_are_reported_together_without_their_passwords() {
    let bed = TestBed::new("wrong urls").await;
    let urls = ["--database-url", "mysql://shop:hunter2@db/shop", "--amqp-url", "http://shop:hunter2@mq/shop"];
    let others = ["--batch-size", "0", "--amqp-password-file", "/nowhere/at/all"];
    let said = refused(&bed, &[urls, others].concat()).await;
    for flag in ["--database-url", "--amqp-url", "--batch-size", "--amqp-password-file"] {
        assert!(said.contains(&format!("{flag}:")), "{flag} is missing\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn an_unknown_flag_and_an_unknown_word_are_usage_errors() {
    let bed = TestBed::new("unknown flag").await;
    assert!(refused(&bed, &["--no-such-flag"]).await.contains("--no-such-flag"));
    assert!(refused(&bed, &["--wake", "sometimes"]).await.contains("sometimes"));
}

#[tokio::test]
async fn an_admin_port_that_is_taken_is_a_wrong_value() {
    let bed = TestBed::new("taken port").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    assert!(refused(&bed, &["--admin-addr", &address]).await.contains("--admin-addr"));
}
