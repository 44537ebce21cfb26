//! Passwords, however they are given, appear in no log at any level, no page, no help text and no process list, with logins that work and
//! logins that fail.

use std::path::PathBuf;

use testkit::command::Command;
use testkit::patience::SOON;
use testkit::process::{free_port, unique};
use testkit::program;
use testkit::urls::{addr_of, user_of};
use testkit::{Relay, TestBed, World, eventually};

/// Everything that any library has to say, those that are quiet unless named among them.
const ALL: &str = "trace,lapin=trace,tokio_postgres=trace";

fn secret(label: &str) -> String {
    format!("s3cret-{label}-{}", fastrand::u64(..))
}

struct SecretFile(PathBuf);

impl SecretFile {
    fn with(secret: &str) -> Self {
        let path = program::scratch().join(unique("secret"));
        std::fs::write(&path, format!("{secret}\n")).expect("the file is written");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn assert_hidden(place: &str, text: &str, secrets: &[&str]) {
    for secret in secrets {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{place} tells {secret}: {}", line.unwrap_or_default());
    }
}

fn command_line(relay: &Relay) -> String {
    std::fs::read_to_string(format!("/proc/{}/cmdline", relay.pid())).expect("the relay lives").replace('\0', " ")
}

async fn assert_hidden_everywhere(relay: &Relay, secrets: &[&str]) {
    for page in ["/status", "/metrics", "/livez", "/readyz"] {
        assert_hidden(page, &relay.get(page).await.body, secrets);
    }
    assert_hidden("the log", &relay.log(), secrets);
    assert!(relay.log().contains("TRACE") || relay.log().contains("DEBUG"), "the log is at its lowest level");
}

/// The URL with this user and password.
fn with_login(url: &str, user: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{user}:{password}@{host}")
}

async fn said(args: &[&str], variables: &[(&str, &str)]) -> String {
    let command = variables.iter().fold(Command::new(args), |command, (name, value)| command.env(name, value));
    let ended = command.run().await;
    ended.stdout + &ended.stderr
}

#[tokio::test]
async fn logins_that_work_tell_nothing() {
    let mut world = World::open("secrets").await;
    let (database, broker) = (secret("database"), secret("broker"));
    let (user, management) = (unique("relay"), world.bed.management());
    management.create_user(&user, &broker).await;
    management.set_permissions(world.bed.vhost(), &user, ".*", ".*", ".*").await;
    let database_user = user_of(&world.bed.database_url()).0;
    let urls = [
        with_login(&world.bed.database_url(), &database_user, &database),
        with_login(&world.bed.amqp_url(), &user, &broker),
    ];
    let file = SecretFile::with(&broker);
    let in_url = [("OUTBOX_DATABASE_URL", urls[0].as_str()), ("OUTBOX_AMQP_URL", &urls[1])];
    let bare =
        [with_login(&world.bed.database_url(), &database_user, ""), with_login(&world.bed.amqp_url(), "nobody", "")];
    let beside = [
        ("OUTBOX_DATABASE_URL", bare[0].as_str()),
        ("OUTBOX_AMQP_URL", &bare[1]),
        ("OUTBOX_DATABASE_PASSWORD", database.as_str()),
        ("OUTBOX_AMQP_USER", &user),
        ("OUTBOX_AMQP_PASSWORD_FILE", file.path()),
    ];
    for variables in [&in_url[..], &beside[..]] {
        let mut relay = Relay::spawn_in(&world.bed, &["--log-level", ALL, "--wake", "listen"], variables);
        relay.answers_at(relay.admin()).await;
        world.order(3, 2).await;
        world.quiet().await;
        assert_hidden("the process list", &command_line(&relay), &[&database, &broker]);
        assert_hidden_everywhere(&relay, &[&database, &broker]).await;
        assert!(!relay.log().contains("visible in the process list"), "{}", relay.log());
        assert_eq!(relay.stop(SOON).await.code(), Some(0));
        assert_hidden("the log", &relay.log(), &[&database, &broker]);
    }
    let said = said(&["migrate"], &in_url[..1]).await;
    assert!(said.contains("is up to date"), "{said}");
    assert_hidden("migrate", &said, &[&database]);
    management.delete_user(&user).await;
}

#[tokio::test]
async fn logins_that_fail_tell_nothing() {
    let bed = TestBed::new("wrong secrets").await;
    let (database, broker) = (secret("database"), secret("broker"));
    let nobody = unique("nobody");
    let urls = [with_login(&bed.database_url(), &nobody, &database), with_login(&bed.amqp_url(), &nobody, &broker)];
    let variables = [("OUTBOX_DATABASE_URL", urls[0].as_str()), ("OUTBOX_AMQP_URL", &urls[1])];
    let mut relay = Relay::spawn_in(&bed, &["--log-level", ALL], &variables);
    relay.answers_at(relay.admin()).await;
    let refused = async || {
        let status = relay.get("/status").await.body;
        status.contains(r#""last_error":"login_refused""#) && status.contains(r#""last_error":"unreachable""#)
    };
    eventually(SOON, "both logins are refused", refused).await;
    assert_hidden_everywhere(&relay, &[&database, &broker]).await;
    assert_eq!(relay.stop(SOON).await.code(), Some(0));

    let nowhere = format!("postgres://{nobody}:{database}@127.0.0.1:{}/none", free_port());
    for url in [&urls[0], &nowhere, &format!("postgres://{nobody}:{database}@[nonsense"), &format!("{database}://x")] {
        let said = said(&["migrate"], &[("OUTBOX_DATABASE_URL", url.as_str())]).await;
        assert!(!said.is_empty());
        assert_hidden("migrate", &said, &[&database]);
    }
}

#[tokio::test]
async fn help_shows_no_value_of_the_environment() {
    let hidden = secret("help");
    let variables: Vec<(String, String)> =
        ["DATABASE_URL", "LISTEN_DATABASE_URL", "AMQP_URL", "DATABASE_PASSWORD", "AMQP_PASSWORD"]
            .into_iter()
            .map(|name| (format!("OUTBOX_{name}"), format!("amqp://u:{hidden}@h")))
            .collect();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for args in [&["--help"][..], &["run", "--help"], &["run", "-h"], &["migrate", "--help"], &["run", "--nonsense"]] {
        let said = said(args, &variables).await;
        assert!(!said.is_empty());
        assert_hidden(&args.join(" "), &said, &[&hidden]);
    }
}

#[tokio::test]
async fn a_secret_on_the_command_line_is_taken_with_a_warning_that_does_not_repeat_it() {
    let bed = TestBed::new("visible secret").await;
    let hidden = secret("visible");
    let url = format!("amqp://nobody:{hidden}@{}", addr_of(&bed.amqp_url()));
    let relay = Relay::start(&bed, &["--amqp-url", &url, "--database-password", &hidden]).await;
    let said = async || relay.log().matches("visible in the process list").count() == 2;
    eventually(SOON, "both flags are named", said).await;
    assert!(relay.log().contains("--amqp-url") && relay.log().contains("--database-password"));
    assert_hidden("the log", &relay.log(), &[&hidden]);
    assert_hidden("/status", &relay.get("/status").await.body, &[&hidden]);
}
