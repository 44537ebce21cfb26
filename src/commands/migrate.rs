//! `outbox-relay migrate`: creates and upgrades the outbox tables. Migrations are embedded and have
//! checksums; several may start at once.
//!
//! A migration is applied once, completely or not at all, under a lock that its transaction holds.
//! A migration that changed after it was applied is refused. `run` never migrates.

use std::fmt::Write as _;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use crate::commands::check::database::{UTF8, UTF8_FIX, no_utf8};
use crate::commands::print::{print, say};
use crate::commands::state::strangers::{MIGRATION, Stranger};
use crate::config::migrate::{MigrateConfig, Mode, OptionalTrigger, OptionalTriggers};
use crate::deadline::deadline;
use crate::error::AppError;
use crate::postgres::connect::{ConnectError, DatabaseSettings, chain};
use crate::postgres::grants::Grants;
use crate::postgres::queries::{Queries, in_schema};

const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const STEP_TIMEOUT: Duration = Duration::from_secs(600);

/// One version of the schema.
struct Migration {
    version: i32,
    /// The oldest relay, by the schema version it was built for, that runs on it.
    min_relay_version: i32,
    up: &'static str,
    down: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        min_relay_version: 1,
        up: include_str!("../../sql/migrations/0001_outbox.up.sql"),
        down: include_str!("../../sql/migrations/0001_outbox.down.sql"),
    },
    Migration {
        version: 2,
        min_relay_version: 1,
        up: include_str!("../../sql/migrations/0002_both_ends.up.sql"),
        down: include_str!("../../sql/migrations/0002_both_ends.down.sql"),
    },
];

const NOTIFY_UP: &str = include_str!("../../sql/optional/notify.up.sql");
const NOTIFY_DOWN: &str = include_str!("../../sql/optional/notify.down.sql");
const ORDER_WRITERS_UP: &str = include_str!("../../sql/optional/order_writers.up.sql");
const ORDER_WRITERS_DOWN: &str = include_str!("../../sql/optional/order_writers.down.sql");

/// Does what was asked for, and prints what it did.
pub async fn run(config: MigrateConfig) -> Result<(), AppError> {
    let MigrateConfig { mode, schema, triggers, grants } = config;
    let database = match mode {
        Mode::Print { transaction } => {
            print(&grants.map_or_else(|| print_up(&schema, triggers, transaction), |grants| grants.sql(&schema)));
            return Ok(());
        }
        Mode::PrintDown => {
            print(&print_down(&schema));
            return Ok(());
        }
        Mode::Apply(database) => database,
    };
    let applied = migrate(&database, &schema, triggers, grants.as_ref()).await?;
    print(&match applied.last() {
        Some(version) => format!("schema '{schema}' is now at version {version}\n"),
        None => format!("schema '{schema}' is up to date\n"),
    });
    print(match triggers.notify {
        OptionalTrigger::Keep => "",
        OptionalTrigger::With => "the trigger that wakes relays exists\n",
        OptionalTrigger::Without => "the trigger that wakes relays is gone\n",
    });
    print(match triggers.order_writers {
        OptionalTrigger::Keep => "",
        OptionalTrigger::With => "the trigger that makes writers of a key take turns exists\n",
        OptionalTrigger::Without => "the trigger that makes writers of a key take turns is gone\n",
    });
    if grants.is_some() {
        print("the roles have their grants\n");
    }
    Ok(())
}

/// The SQL that `migrate` would run on an empty database, in a transaction of its own or in the caller's.
fn print_up(schema: &str, triggers: OptionalTriggers, transaction: bool) -> String {
    let queries = Queries::new(schema);
    let mut sql = String::new();
    for migration in MIGRATIONS {
        for text in [&in_schema(migration.up, schema), &record(&queries, migration)] {
            push(&mut sql, text);
        }
    }
    for text in trigger_sql(triggers) {
        push(&mut sql, &in_schema(text, schema));
    }
    if transaction { format!("BEGIN;\n{sql}\nCOMMIT;\n") } else { sql.trim_start().to_owned() }
}

/// Appends a piece of SQL after a blank line.
fn push(sql: &mut String, text: &str) {
    sql.push('\n');
    sql.push_str(text.trim());
    sql.push('\n');
}

/// The SQL that undoes every migration, newest first.
fn print_down(schema: &str) -> String {
    MIGRATIONS.iter().rev().map(|migration| in_schema(migration.down, schema)).collect()
}

/// Applies missing migrations, and returns the applied versions.
async fn migrate(
    settings: &DatabaseSettings,
    schema: &str,
    triggers: OptionalTriggers,
    grants: Option<&Grants>,
) -> Result<Vec<i32>, AppError> {
    let (client, connection) = settings.connect().await.map_err(|error| match error {
        ConnectError::Settings(error) => AppError::Config(vec![error]),
        ConnectError::Server(error) | ConnectError::ReadOnly(error) => {
            AppError::Unreachable(format!("the database cannot be reached: {error}"))
        }
    })?;
    let done = match deadline(STEP_TIMEOUT, "migrating", apply(&client, schema, triggers, grants)).await {
        Ok(done) => done,
        Err(error) => Err(AppError::Unreachable(error.to_string())),
    };
    drop(client);
    if let Err(error) = deadline(CLOSE_TIMEOUT, "closing the database connection", connection).await {
        tracing::debug!(%error, "ending without waiting for the connection to close");
    }
    done
}

async fn apply(
    client: &Client,
    schema: &str,
    triggers: OptionalTriggers,
    grants: Option<&Grants>,
) -> Result<Vec<i32>, AppError> {
    let failed = |error: tokio_postgres::Error| AppError::No(format!("the migration was refused: {}", chain(&error)));
    let queries = Queries::new(schema);
    // One transaction for everything, so that nothing is ever half done.
    client.batch_execute(&queries.begin_migration).await.map_err(failed)?;
    lock(client, &queries).await?;
    let mut applied = Vec::new();
    for migration in MIGRATIONS {
        match checksum_of(client, &queries, migration).await.map_err(failed)? {
            Some(known) if known == checksum(migration) => {}
            Some(_) => {
                let version = migration.version;
                return Err(AppError::No(format!(
                    "migration {version} was applied to the schema '{schema}' with another checksum; nothing was changed"
                )));
            }
            None => {
                client.batch_execute(&in_schema(migration.up, schema)).await.map_err(failed)?;
                client.batch_execute(&record(&queries, migration)).await.map_err(failed)?;
                applied.push(migration.version);
            }
        }
    }
    for sql in trigger_sql(triggers) {
        client.batch_execute(&in_schema(sql, schema)).await.map_err(failed)?;
    }
    if let Some(grants) = grants {
        client.batch_execute(&grants.sql(schema)).await.map_err(failed)?;
    }
    let encoding: String = client.query_one(&queries.database_encoding, &[]).await.map_err(failed)?.get(0);
    client.batch_execute("COMMIT").await.map_err(failed)?;
    if encoding != UTF8 {
        say(&format!("outbox-relay: warning: {}; {UTF8_FIX}\n", no_utf8(&encoding)));
    }
    Ok(applied)
}

/// Takes the lock under which one migration runs at a time, and says who is in the way meanwhile.
async fn lock(client: &Client, queries: &Queries) -> Result<(), AppError> {
    let failed = |error: tokio_postgres::Error| AppError::No(format!("the migration was refused: {}", chain(&error)));
    if client.query_one(&queries.try_lock_migration, &[]).await.map_err(failed)?.get(0) {
        return Ok(());
    }
    let strangers = client.query(&queries.lock_strangers, &[]).await.map_err(failed)?;
    let stranger = strangers.iter().map(Stranger::read).find(|stranger| stranger.what == MIGRATION);
    let holder = stranger.as_ref().map_or_else(|| "another migration".to_owned(), Stranger::name);
    say(&format!("outbox-relay: waiting up to 30 s for the lock of the migration, which {holder} holds\n"));
    client.query(&queries.lock_migration, &[]).await.map(|_| ()).map_err(|error| {
        let fix = stranger.map_or_else(|| "try again when it has ended".to_owned(), |stranger| stranger.fix());
        AppError::No(format!("the lock of the migration is held by {holder}: {}; {fix}", chain(&error)))
    })
}

/// The checksum with which a migration was applied, if it was.
async fn checksum_of(
    client: &Client,
    queries: &Queries,
    migration: &Migration,
) -> Result<Option<String>, tokio_postgres::Error> {
    if !client.query_one(&queries.has_migrations, &[]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    Ok(client.query_opt(&queries.migration_checksum, &[&migration.version]).await?.map(|row| row.get(0)))
}

fn record(queries: &Queries, migration: &Migration) -> String {
    queries
        .record_migration
        .lines()
        .filter(|line| !line.starts_with("--"))
        .collect::<Vec<_>>()
        .join("\n")
        .replace("$1", &migration.version.to_string())
        .replace("$2", &migration.min_relay_version.to_string())
        .replace("$3", &checksum(migration))
}

/// What creates or drops the triggers that were asked about.
fn trigger_sql(triggers: OptionalTriggers) -> impl Iterator<Item = &'static str> {
    let choose = |trigger, up, down| match trigger {
        OptionalTrigger::Keep => None,
        OptionalTrigger::With => Some(up),
        OptionalTrigger::Without => Some(down),
    };
    let notify = choose(triggers.notify, NOTIFY_UP, NOTIFY_DOWN);
    let order_writers = choose(triggers.order_writers, ORDER_WRITERS_UP, ORDER_WRITERS_DOWN);
    notify.into_iter().chain(order_writers)
}

fn checksum(migration: &Migration) -> String {
    let digest = Sha256::digest(migration.up.as_bytes());
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_has_both_directions_and_a_version_of_its_own() {
        let mut last = 0;
        for migration in MIGRATIONS {
            assert!(migration.version > last && migration.min_relay_version <= migration.version);
            assert!(migration.up.contains("CREATE") && migration.down.contains("DROP"));
            last = migration.version;
        }
        assert_eq!(last, crate::postgres::schema::SCHEMA_VERSION);
    }

    #[test]
    fn the_printed_sql_is_of_the_schema_asked_for() {
        let triggers = OptionalTriggers { notify: OptionalTrigger::With, order_writers: OptionalTrigger::With };
        let sql = print_up("shop", triggers, true);
        assert!(sql.contains("CREATE TABLE \"shop\".events"), "{sql}");
        assert!(sql.lines().all(|line| line.starts_with("--") || !line.contains("outbox.")), "{sql}");
        assert!(!sql.contains("\n\n\n") && !sql.lines().any(|line| line.ends_with(' ')), "{sql}");
        assert!(sql.contains("-- The outbox:"), "prose stays prose: {sql}");
        assert!(print_down("shop").contains("DROP SCHEMA \"shop\""));
        let body = print_up("shop", triggers, false);
        assert_eq!(sql, format!("BEGIN;\n\n{body}\nCOMMIT;\n"), "the same without the transaction");
    }
}
