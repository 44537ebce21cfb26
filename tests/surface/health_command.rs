//! `outbox-relay health`: what a container's health check runs. And `completions`, which needs no service either.

use std::process::Output;
use std::time::{Duration, Instant};

use tokio::process::Command;

use testkit::{Relay, Signal, TestBed, program};

async fn run(args: &[&str]) -> Output {
    Command::new(program::relay()).args(args).output().await.expect("the program runs")
}

/// Its exit code, and what it said on either output.
async fn health(admin: &str, more: &[&str]) -> (Option<i32>, String) {
    let output = run(&[&["health", "--admin-addr", admin], more].concat()).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("words"))
}

#[tokio::test]
async fn a_relay_is_healthy_until_it_is_frozen_or_gone() {
    let bed = TestBed::new("health").await;
    let mut relay = Relay::start(&bed, &[]).await;
    let own = relay.admin().to_string();
    // As the image has it: of a wildcard this host is asked.
    let everywhere = format!("[::]:{}", relay.admin().port());
    for (address, more) in [(&own, &[][..]), (&own, &["--ready"]), (&everywhere, &[])] {
        let (code, said) = health(address, more).await;
        assert_eq!(code, Some(0), "{address} {more:?}: {said}");
        assert!(!said.trim().is_empty(), "it says what the page says");
    }

    relay.signal(Signal::Stop);
    let asked = Instant::now();
    let (code, said) = health(&own, &[]).await;
    relay.signal(Signal::Cont);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("does not answer"), "{said}");
    assert!(asked.elapsed() < Duration::from_secs(10), "it does not wait for ever: {:?}", asked.elapsed());

    assert!(relay.stop(Duration::from_secs(30)).await.success());
    let (code, said) = health(&own, &[]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&own), "it says where it asked: {said}");
}

#[tokio::test]
async fn without_an_admin_port_nobody_can_say_and_a_wrong_address_is_a_usage_error() {
    let (code, said) = health("off", &[]).await;
    assert_eq!((code, said.contains("off")), (Some(1), true), "{said}");
    let (code, said) = health("somewhere", &[]).await;
    assert_eq!((code, said.contains("--admin-addr")), (Some(64), true), "{said}");
}

#[tokio::test]
async fn the_completions_of_a_shell_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]).await;
        let script = String::from_utf8(output.stdout).expect("a script is text");
        for command in ["run", "migrate", "dlq", "health", "completions"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert_eq!(output.status.code(), Some(0), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"]).await.status.code(), Some(64));
}
