//! The weaker modes of libpq: what each accepts, and what the log says about it.

use testkit::patience::SOON;
use testkit::{Relay, eventually};

use crate::connecting::servers::TlsPostgres;

/// A relay that gets in this way; whether it does so by TLS.
async fn gets_in(server: &TlsPostgres, url: &str) -> (bool, String) {
    let relay = Relay::start(&server.bed, &["--database-url", url]).await;
    relay.says("connected to the database").await;
    let uses_tls = eventually(SOON, "the relay is connected", async || server.relay_uses_tls().await).await;
    (uses_tls, relay.log())
}

#[tokio::test]
async fn verify_ca_looks_at_the_authority_and_not_at_the_name() {
    let server = TlsPostgres::start("verify ca").await;
    server.bed.migrate().await;
    server.present(&server.authority.server(&["db.other.example"])).await;
    let ca = server.files.path("ca.pem");
    for mode in ["verify-ca", "require"] {
        let url = server.url("postgres", "localhost", &format!("sslmode={mode}&sslrootcert={ca}"));
        let (uses_tls, log) = gets_in(&server, &url).await;
        assert!(uses_tls && !log.contains("not verified"), "{mode}: {log}");
    }
    let other = testkit::certificates::Authority::new("another authority");
    server.present(&other.server(&["localhost"])).await;
    for mode in ["verify-ca", "require"] {
        let url = server.url("postgres", "localhost", &format!("sslmode={mode}&sslrootcert={ca}"));
        let relay = Relay::start(&server.bed, &["--database-url", &url]).await;
        relay.says("from an unknown authority").await;
    }
}

#[tokio::test]
async fn require_takes_any_certificate_and_says_so_once() {
    let server = TlsPostgres::start("require").await;
    server.bed.migrate().await;
    server.present(&server.authority.expired(&["db.other.example"])).await;
    let (uses_tls, log) = gets_in(&server, &server.url("postgres", "localhost", "sslmode=require")).await;
    assert!(uses_tls, "{log}");
    let url = server.url("postgres", "127.0.0.1", "sslmode=require");
    let relay = Relay::start(&server.bed, &["--database-url", &url]).await;
    relay.says("certificate is not verified").await;
    server.end_connections_of("postgres").await;
    eventually(SOON, "the relay is back", async || server.relay_uses_tls().await == Some(true)).await;
    assert_eq!(relay.log().matches("certificate is not verified").count(), 1, "{}", relay.log());
}

#[tokio::test]
async fn prefer_and_allow_take_what_the_server_gives() {
    let server = TlsPostgres::start("prefer").await;
    server.bed.migrate().await;
    server.bed.client().await.batch_execute("CREATE ROLE relay LOGIN SUPERUSER").await.expect("a role");
    for (lets_in, mode, uses_tls) in [
        ("host all all 127.0.0.1/32 trust", "prefer", true),
        ("hostnossl all all 127.0.0.1/32 trust", "prefer", false),
        ("host all all 127.0.0.1/32 trust", "allow", false),
        ("hostssl all all 127.0.0.1/32 trust", "allow", true),
        ("host all all 127.0.0.1/32 trust", "disable", false),
    ] {
        server.let_in(lets_in).await;
        let url = server.url("relay", "localhost", &format!("sslmode={mode}"));
        let (used_tls, log) = gets_in(&server, &url).await;
        assert_eq!(used_tls, uses_tls, "{mode} where {lets_in}: {log}");
    }
    // Nothing said, and this machine: as prefer.
    let (uses_tls, log) = gets_in(&server, &server.url("relay", "localhost", "")).await;
    assert!(uses_tls, "{log}");
}
