//! PostgreSQL with TLS: migrate, the relay and LISTEN log in by a client certificate; a server that is not who it should be is refused.

use testkit::certificates::{Files, Issued};
use testkit::command::Command;
use testkit::patience::SOON;
use testkit::{Relay, TestBed, World};

use crate::connecting::servers::TlsPostgres;

/// `migrate` with this URL: its exit code and what it said.
async fn migrate(url: &str, flags: &[&str]) -> (Option<i32>, String) {
    let ended = Command::new(&[&["migrate", "--with-notify", "--database-url", url], flags].concat()).run().await;
    (ended.code, ended.stderr)
}

#[tokio::test]
async fn migrate_relay_and_listen_log_in_by_certificate_and_verify_the_server() {
    let server = TlsPostgres::start("verify full").await;
    server.let_in("hostssl all all 127.0.0.1/32 cert").await;
    let owner = server.bed.client().await;
    owner.batch_execute("CREATE ROLE relay LOGIN SUPERUSER").await.expect("a role");
    let client = server.authority.client("relay");
    let (cert, key) = (server.files.write("client.pem", &client.cert), server.files.write("client.key", &client.key));
    let ca = server.files.path("ca.pem");
    // No sslmode: who names an authority wants to see its certificate, also on this machine.
    let (url, flags) = (
        server.url("relay", "localhost", ""),
        ["--database-ca-file", &ca, "--database-cert-file", &cert, "--database-key-file", &key],
    );
    let (code, said) = migrate(&url, &flags).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = migrate(&url, &flags[..2]).await;
    assert!(code == Some(69) && said.contains("--database-cert-file"), "{code:?} {said}");

    let in_url =
        server.url("relay", "localhost", &format!("sslmode=verify-full&sslrootcert={ca}&sslcert={cert}&sslkey={key}"));
    let bed: &TestBed = &server.bed;
    bed.grant(&[]).await;
    let args = [&["--database-url", &url, "--wake", "listen", "--listen-database-url", &in_url][..], &flags].concat();
    let relay = Relay::start(bed, &args).await;
    relay.says("outbox_relay::postgres::listen: listening").await;
    relay.says("connected to the database localhost:").await;
    assert!(relay.log().contains(" as relay"), "{}", relay.log());
    assert_eq!(server.relay_uses_tls().await, Some(true));
    assert!(!relay.log().contains("not verified"), "{}", relay.log());
    drop(relay);
    let mut world = World::as_it_is(server.bed).await;
    let mut relay = Relay::start(&world.bed, &args).await;
    world.order(20, 10).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn a_server_that_is_not_who_it_should_be_is_refused_with_the_fix() {
    let server = TlsPostgres::start("refused").await;
    let ca = server.files.path("ca.pem");
    let full = server.url("postgres", "localhost", &format!("sslmode=verify-full&sslrootcert={ca}"));
    let refused = async |url: &str, fix: &[&str]| {
        let (code, said) = migrate(url, &[]).await;
        assert_eq!(code, Some(69), "{said}");
        for words in fix {
            assert!(said.contains(words), "{words}\n{said}");
        }
    };
    let by_address = server.url("postgres", "127.0.0.1", &format!("sslmode=verify-full&sslrootcert={ca}"));
    refused(&by_address, &["certificate is for 'localhost', not for '127.0.0.1'"]).await;
    let unknown = server.url("postgres", "localhost", "sslmode=verify-full");
    refused(&unknown, &["from an unknown authority", "--database-ca-file"]).await;
    server.present(&server.authority.server(&["db.other.example", "*.db.example"])).await;
    refused(&full, &["certificate is for 'db.other.example', '*.db.example', not for 'localhost'"]).await;
    server.present(&server.authority.server(&[])).await;
    refused(&full, &["names no host", "subjectAltName"]).await;
    server.present(&server.authority.expired(&["localhost"])).await;
    refused(&full, &["the server's certificate expired at 20", "renew it"]).await;
    server.let_in("hostssl all all 127.0.0.1/32 trust").await;
    server.bed.client().await.batch_execute("CREATE ROLE relay LOGIN").await.expect("a role");
    refused(&server.url("relay", "localhost", "sslmode=disable"), &["if it wants TLS", "sslmode=verify-full"]).await;

    let off = "ALTER SYSTEM SET ssl = off";
    let client = server.bed.client().await;
    client.batch_execute(off).await.expect("TLS is turned off");
    client.batch_execute("SELECT pg_reload_conf()").await.expect("the settings are read");
    refused(&full, &["does not offer TLS", "sslmode=disable on a trusted network"]).await;
    assert!(client.query("SELECT FROM outbox.events", &[]).await.is_err(), "nobody has migrated anything");
}

/// A certificate of X.509 version 1 and its key, made as PostgreSQL's manual makes them before version 3 was asked for.
fn of_version_1(files: &Files) -> Issued {
    let (key, request, cert) = (files.path("v1.key"), files.path("v1.csr"), files.path("v1.crt"));
    let openssl = |args: &str| {
        let ran = std::process::Command::new("openssl").args(args.split(' ')).output().expect("openssl runs");
        assert!(ran.status.success(), "{args}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    openssl(&format!("req -new -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {key} -out {request}"));
    openssl(&format!("x509 -req -in {request} -signkey {key} -days 2 -out {cert}"));
    let read = |path: &str| std::fs::read_to_string(path).expect("openssl has written it");
    Issued { cert: read(&cert), key: read(&key) }
}

#[tokio::test]
async fn a_certificate_of_version_1_is_refused_with_the_fix() {
    let server = TlsPostgres::start("version 1").await;
    server.present(&of_version_1(&server.files)).await;
    for mode in ["require", "verify-full"] {
        let (code, said) = migrate(&server.url("postgres", "localhost", &format!("sslmode={mode}")), &[]).await;
        assert_eq!(code, Some(69), "{said}");
        assert!(said.contains("X.509 version 1") && said.contains("subjectAltName=DNS:localhost"), "{mode}: {said}");
    }
}
