//! The printed grants of the operator's role are enough for every command, and for no more; the relay's role reads what it may.

use testkit::bed::try_connect;
use testkit::command::{Ended, run};
use testkit::process::unique;
use testkit::urls::with_user;
use testkit::{NewEvent, World};
use tokio_postgres::Client;

use crate::commands_changing::scene::{self, Scene};

struct Roles {
    world: World,
    relay: String,
    admin: String,
    writer: String,
}

impl Roles {
    /// Three roles with the grants that `migrate` prints.
    async fn granted(name: &str) -> Self {
        let world = scene::open(name).await;
        let (relay, admin, writer) = (unique("relay"), unique("admin"), unique("writer"));
        let roles = ["--relay-role", &relay, "--admin-role", &admin, "--writer-role", &writer];
        let print = [&["migrate", "--print", "--grants", "--create-roles"][..], &roles].concat();
        let printed = run(&world.bed, &print).await.with_code(0).stdout;
        world.execute(&printed).await;
        Self { world, relay, admin, writer }
    }

    async fn run(&self, role: &str, args: &[&str]) -> Ended {
        run(&self.world.bed, &[args, &["--database-user", role]].concat()).await
    }

    async fn client(&self, role: &str) -> Client {
        try_connect(&with_user(&self.world.bed.database_url(), role)).await.expect("the role logs in")
    }

    async fn gone(&self) {
        let roles = format!("{}, {}, {}", self.relay, self.admin, self.writer);
        self.world.execute(&format!("DROP OWNED BY {roles}; DROP ROLE {roles}")).await;
    }

    /// A key that waits, one that is published, dead letters: something for every command. The ids of the published event and of the two
    /// dead letters.
    async fn stage(&mut self) -> (String, String, String) {
        let mut first = Vec::new();
        for key in ["waits", "given-up", "published", "purged", "revived", "discarded"] {
            let events = vec![NewEvent::new("order.paid", "{}"), NewEvent::new("order.created", "{}")];
            first.push(self.world.commit(key, events).await[0]);
        }
        self.world
            .execute(
                "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
                 SELECT DISTINCT ON (aggregate_id) aggregate_id, lane, id, seq, 'retry', 'infinity' FROM outbox.events
                 WHERE aggregate_id IN ('waits', 'given-up') ORDER BY aggregate_id, seq;
                 UPDATE outbox.events SET published_at = now() - interval '1 hour' WHERE aggregate_id IN ('published', 'purged')",
            )
            .await;
        let revived = self.world.dead_letter(first[4], "UNROUTABLE", &[], &["default"]).await;
        let discarded = self.world.dead_letter(first[5], "UNROUTABLE", &[], &["default"]).await;
        (first[2].to_string(), revived.to_string(), discarded.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_role_runs_every_command_and_changes_no_table() {
    let mut roles = Roles::granted("roles_admin").await;
    let (published, revived, discarded) = roles.stage().await;
    let commands: [&[&str]; 17] = [
        &["status"],
        &["trace", "waits"],
        &["trace", &published, "--payload"],
        &["keys", "list"],
        &["keys", "release", "waits"],
        &["keys", "dead-letter", "given-up", "--yes"],
        &["routes", "list"],
        &["routes", "hold", "default"],
        &["routes", "release", "default"],
        &["dlq", "list"],
        &["dlq", "show", &revived],
        &["dlq", "replay", "--id", &revived],
        &["dlq", "discard", "--id", &discarded],
        &["replay", "--id", &published],
        &["replay", "--runs"],
        &["purge", "published", "--aggregate-id", "purged", "--yes"],
        &["purge", "dead-letters", "--aggregate-id", "discarded", "--yes"],
    ];
    for command in commands {
        roles.run(&roles.admin, command).await.with_code(0);
    }
    let check = roles.run(&roles.admin, &["check"]).await.with_code(1);
    check.saying("privileges").saying("UPDATE on upkeep").saying("GRANT UPDATE");
    roles.run(&roles.admin, &["trace", "nobody"]).await.with_code(1).saying("not found");
    roles.world.execute("CREATE SCHEMA other; CREATE TABLE other.secrets (id int)").await;
    let client = roles.client(&roles.admin).await;
    for statement in [
        "DROP TABLE outbox.events",
        "ALTER TABLE outbox.events ADD x int",
        "ALTER TABLE outbox.dead_letters DISABLE TRIGGER ALL",
        "CREATE TABLE outbox.mine (id int)",
        "SELECT * FROM other.secrets",
        "UPDATE outbox.events SET payload = '{}'",
        "SELECT setval('outbox.events_seq_seq', 1)",
        "TRUNCATE outbox.events",
    ] {
        let error = client.batch_execute(statement).await.expect_err(statement);
        assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{statement}: {error:?}");
    }
    drop(client);
    roles.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relays_role_reads_or_is_told_what_it_lacks_and_the_fix() {
    let mut roles = Roles::granted("roles_relay").await;
    let (published, revived, _) = roles.stage().await;
    let may: [&[&str]; 6] =
        [&["check"], &["status"], &["keys", "list"], &["routes", "list"], &["dlq", "list"], &["dlq", "show", &revived]];
    for command in may {
        roles.run(&roles.relay, command).await.with_code(0);
    }
    for command in [&["trace", "waits"][..], &["replay", "--runs"]] {
        roles.run(&roles.relay, command).await.with_code(0);
    }
    // It may look at the audit of replays, and write none.
    let may_not: [&[&str]; 2] = [&["replay", "--id", &published, "--yes"], &["dlq", "discard", "--id", &revived]];
    for command in may_not {
        let refused = roles.run(&roles.relay, command).await.with_code(1);
        refused.saying("permission denied").saying("--admin-role ROLE");
    }
    roles.gone().await;
}
