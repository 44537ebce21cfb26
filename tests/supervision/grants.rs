//! The grants of `migrate --grants` are enough for a producer, a relay and an operator, and each gets no more: every role tries what it
//! may not do.

use testkit::bed::try_connect;
use testkit::command::{Command, run};
use testkit::patience::SOON;
use testkit::process::unique;
use testkit::urls::with_user;
use testkit::{Queue, QueueKind, Relay, TestBed, Topology, eventually};
use tokio_postgres::Client;

const INSERT: &str = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                      VALUES ('Order', 'order-1', 'order.created', '{}') RETURNING id, seq, created_at";

/// Three roles that `migrate` itself created; names that have to be quoted.
struct Roles {
    bed: TestBed,
    writer: String,
    relay: String,
    admin: String,
}

impl Roles {
    async fn granted(name: &str) -> Self {
        let bed = TestBed::new(name).await;
        let roles = Self { writer: unique("Shop"), relay: unique("Relay"), admin: unique("Admin"), bed };
        roles.migrate(&[]).await;
        roles
    }

    async fn migrate(&self, how: &[&str]) -> String {
        let roles = ["--writer-role", &self.writer, "--relay-role", &self.relay, "--admin-role", &self.admin];
        let grants = ["migrate", "--grants", "--create-roles"];
        run(&self.bed, &[&grants[..], &roles, how].concat()).await.with_code(0).stdout
    }

    async fn client(&self, role: &str) -> Client {
        try_connect(&with_user(&self.bed.database_url(), role)).await.expect("the role logs in")
    }

    async fn gone(self) {
        let owner = self.bed.client().await;
        let roles = format!("\"{}\", \"{}\", \"{}\"", self.writer, self.relay, self.admin);
        let gone = format!("DROP OWNED BY {roles}; DROP ROLE {roles}");
        eventually(SOON, "the roles are dropped", async || owner.batch_execute(&gone).await.is_ok()).await;
    }
}

async fn may(client: &Client, statements: &[&str]) {
    for statement in statements {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
}

async fn may_not(client: &Client, statements: &[&str]) {
    for statement in statements {
        let error = client.batch_execute(statement).await.expect_err(statement);
        let code = error.code().map(|code| code.code().to_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_inserts_and_emits_and_nothing_else() {
    let roles = Roles::granted("writer grants").await;
    let writer = roles.client(&roles.writer).await;
    may(
        &writer,
        &[
            INSERT,
            "SELECT outbox.emit('Order', 'order-1', 'order.paid', '{}')",
            "CALL outbox.append('Order', 'order-1', 'order.paid', json '{}', ordered => true)",
            // What an ORM does with a mapped entity: the row with all its columns back, and once more by its id.
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
             VALUES ('Order', 'order-1', 'order.created', '{}') RETURNING *",
            "SELECT * FROM outbox.events WHERE id = gen_random_uuid()",
        ],
    )
    .await;
    let columns = "aggregate_type, aggregate_id, event_type, payload";
    let inserts: Vec<String> = [
        ("published_at", "now()"),
        ("replay_id", "gen_random_uuid()"),
        ("only_routes", "'{a}'"),
        ("seq", "1"),
        ("first_seq", "1"),
    ]
    .iter()
    .map(|(column, value)| {
        format!("INSERT INTO outbox.events ({columns}, {column}) VALUES ('O', 'o', 't', '{{}}', {value})")
    })
    .collect();
    may_not(&writer, &inserts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    may_not(
        &writer,
        &[
            "UPDATE outbox.events SET published_at = now()",
            "UPDATE outbox.events SET payload = '{}'",
            "DELETE FROM outbox.events",
            "TRUNCATE outbox.events",
            "SELECT * FROM outbox.dead_letters",
            "INSERT INTO outbox.dead_letters DEFAULT VALUES",
            "SELECT * FROM outbox.waits",
            "UPDATE outbox.lanes SET floor = 9999999",
            "DROP TABLE outbox.events",
        ],
    )
    .await;
    drop(writer);
    roles.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_may_only_insert_reads_back_what_the_table_gave_and_no_payload() {
    let bed = TestBed::new("insert only").await;
    let role = unique("shop");
    bed.migrate_with(&["--grants", "--create-roles", "--writer-insert-only", "--writer-role", &role]).await;
    let writer = try_connect(&with_user(&bed.database_url(), &role)).await.expect("the role logs in");
    may(&writer, &[INSERT, "SELECT outbox.emit('Order', 'order-1', 'order.paid', '{}')"]).await;
    may_not(&writer, &["SELECT payload FROM outbox.events", "SELECT * FROM outbox.events"]).await;
    drop(writer);
    let owner = bed.client().await;
    let gone = format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"");
    eventually(SOON, "the role is dropped", async || owner.batch_execute(&gone).await.is_ok()).await;
}

/// A relay at rest only asks whether there is work, which row security would answer with no for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_at_rest_says_that_row_security_would_hide_events() {
    let roles = Roles::granted("row security").await;
    let (bed, owner) = (&roles.bed, roles.bed.client().await);
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    may(&owner, &[INSERT]).await;
    let relay = Relay::start(bed, &["--database-url", &with_user(&bed.relay_database_url(), &roles.relay)]).await;
    eventually(SOON, "the event is published", async || bed.pending().await == 0).await;
    may(&owner, &["ALTER TABLE outbox.events ENABLE ROW LEVEL SECURITY", INSERT]).await;
    eventually(SOON, "the log names it, with its fix", async || relay.log().contains("BYPASSRLS")).await;
    assert!(!relay.log().contains("grants are missing"), "{}", relay.log());
    assert_eq!(bed.pending().await, 1);
    may(&owner, &["ALTER TABLE outbox.events DISABLE ROW LEVEL SECURITY"]).await;
    eventually(SOON, "the next event is published", async || bed.pending().await == 0).await;
    drop(relay);
    roles.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_publishes_and_moves_floors_but_neither_writes_events_nor_changes_tables() {
    let roles = Roles::granted("relay grants").await;
    let (bed, owner) = (&roles.bed, roles.bed.client().await);
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    may(&owner, &[INSERT, INSERT, "CREATE SCHEMA other", "CREATE TABLE other.secrets (id int)"]).await;
    let relay = Relay::start(bed, &["--database-url", &with_user(&bed.relay_database_url(), &roles.relay)]).await;
    eventually(SOON, "both events are published", async || bed.pending().await == 0).await;
    let moved = async || {
        let row = owner.query_one("SELECT count(*) FROM outbox.lanes WHERE floor > 1", &[]).await.expect("a count");
        row.get::<_, i64>(0) == 64
    };
    eventually(SOON, "the floors move", moved).await;
    assert_eq!(relay.metric_where("outbox_failures_total", r#"reason="database""#).await, 0.0);
    drop(relay);
    let as_relay = ["trace", "order-1", "--database-url", &with_user(&bed.database_url(), &roles.relay)];
    Command::new(&as_relay).run().await.with_code(0);
    let client = roles.client(&roles.relay).await;
    may_not(
        &client,
        &[
            INSERT,
            "UPDATE outbox.events SET payload = '{}'",
            "UPDATE outbox.events SET seq = 1",
            "TRUNCATE outbox.events",
            "DROP TABLE outbox.events",
            "ALTER TABLE outbox.events DISABLE TRIGGER ALL",
            "CREATE TABLE outbox.mine (id int)",
            "DELETE FROM outbox.dead_letters",
            "UPDATE outbox.dead_letters SET processed_at = now()",
            "INSERT INTO outbox.replays (source, selection, requested_by) VALUES ('published', '{}', 'me')",
            "INSERT INTO outbox.schema_version VALUES (9, 9, '')",
            "UPDATE outbox.schema_version SET version = 9",
            "DELETE FROM outbox.lanes",
            "SELECT * FROM orders",
            "SELECT * FROM other.secrets",
            "CREATE ROLE more",
        ],
    )
    .await;
    let pid: i32 = owner.query_one("SELECT pg_backend_pid()", &[]).await.expect("a process id").get(0);
    may_not(&client, &[&format!("SELECT pg_terminate_backend({pid})")]).await;
    drop(client);
    roles.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reads_and_fixes_everything_but_changes_no_payload_and_no_table() {
    let roles = Roles::granted("admin grants").await;
    may(&roles.bed.client().await, &[INSERT]).await;
    let admin = roles.client(&roles.admin).await;
    may(
        &admin,
        &[
            "SELECT * FROM outbox.events, outbox.waits, outbox.holds, outbox.dead_letters, outbox.replays, outbox.schema_version",
            "UPDATE outbox.events SET published_at = NULL, replay_id = gen_random_uuid(), only_routes = '{a}',
                    seq = nextval('outbox.events_seq_seq')",
            "INSERT INTO outbox.replays (source, selection, requested_by) VALUES ('published', '{}', 'me')",
            "UPDATE outbox.replays SET events = 1",
            "UPDATE outbox.lanes SET floor = 0",
            "INSERT INTO outbox.holds (scope, route, kind, reason) VALUES ('route', 'all', 'operator', 'me')",
            "DELETE FROM outbox.holds",
            "DELETE FROM outbox.waits",
            "UPDATE outbox.dead_letters SET processed_at = now(), resolution = 'discarded', resolved_by = 'me', note = 'x'",
            "DELETE FROM outbox.dead_letters",
            "DELETE FROM outbox.events WHERE published_at IS NOT NULL",
        ],
    )
    .await;
    may_not(
        &admin,
        &[
            "UPDATE outbox.events SET payload = '{}'",
            "UPDATE outbox.dead_letters SET payload = '{}'",
            "DELETE FROM outbox.replays",
            "UPDATE outbox.schema_version SET version = 9",
            "TRUNCATE outbox.events",
            "DROP TABLE outbox.dead_letters",
            "ALTER TABLE outbox.events ADD x int",
            "CREATE TABLE outbox.mine (id int)",
            "SELECT * FROM orders",
        ],
    )
    .await;
    drop(admin);
    roles.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_is_what_is_granted_and_it_can_be_repeated() {
    let roles = Roles::granted("printed grants").await;
    let granted = async |bed: &TestBed| -> Vec<String> {
        let acl = "SELECT relname || coalesce(relacl::text, '') FROM pg_class WHERE relnamespace = 'outbox'::regnamespace
                   UNION ALL SELECT attrelid::regclass || attname || attacl::text FROM pg_attribute WHERE attacl IS NOT NULL
                       AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'outbox'::regnamespace) ORDER BY 1";
        let rows = bed.client().await.query(acl, &[]).await.expect("the grants are read");
        rows.iter().map(|row| row.get(0)).collect()
    };
    let applied = granted(&roles.bed).await;
    let printed = roles.migrate(&["--print"]).await;
    assert!(printed.contains("GRANT") && !printed.contains("CREATE TABLE"), "only the grants: {printed}");
    roles.bed.client().await.batch_execute(&printed).await.expect("what is printed is taken");
    roles.migrate(&[]).await;
    assert_eq!(granted(&roles.bed).await, applied);
    roles.gone().await;
}
