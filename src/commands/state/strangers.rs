//! Sessions that are no relay's and hold the advisory locks of a relay, as `status`, `trace`, `check` and `migrate` name them. Anyone who
//! may connect to the database can take such a lock, and nothing that needs it goes on meanwhile.

use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;

/// What holders of the migration's lock are called by `lock_strangers.sql`.
pub(crate) const MIGRATION: &str = "migration";

/// One session and the locks of one kind that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Stranger {
    /// Its process id; absent for a prepared transaction.
    pub pid: Option<i32>,
    /// What it locks: `lanes`, `probes` or `migration`.
    pub what: String,
    /// How many of them.
    pub locks: i64,
    /// Who it is, where it still is.
    pub role: Option<String>,
    /// What it says that it is.
    pub application_name: Option<String>,
    /// Since when its transaction is open; absent where this role may not see it, or none is.
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub since: Option<OffsetDateTime>,
}

impl Stranger {
    /// A row of `lock_strangers.sql`.
    pub(crate) fn read(row: &Row) -> Self {
        Self {
            pid: row.get("pid"),
            what: row.get("what"),
            locks: row.get("locks"),
            role: row.get("role"),
            application_name: row.get("application_name"),
            since: row.get("since"),
        }
    }

    /// Who it is, in a few words.
    pub(crate) fn name(&self) -> String {
        let Some(pid) = self.pid else { return "a prepared transaction".to_owned() };
        let role = self.role.as_deref().unwrap_or("?");
        match self.application_name.as_deref() {
            Some(name) if !name.is_empty() => format!("session {pid} (role {role}, application {name})"),
            Some(_) | None => format!("session {pid} (role {role}, no application name)"),
        }
    }

    /// What it does and what that means.
    pub(crate) fn words(&self) -> String {
        let effect = match self.what.as_str() {
            "lanes" => "the events of these lanes are not published",
            "probes" => "these holds are not probed",
            _ => "outbox-relay migrate has to wait",
        };
        let locks = match self.what.as_str() {
            MIGRATION => "the lock of the migration".to_owned(),
            what => format!("the locks of {} {what}", self.locks),
        };
        format!("{}, which is no relay, holds {locks}: {effect}", self.name())
    }

    /// How to end it.
    pub(crate) fn fix(&self) -> String {
        match self.pid {
            Some(pid) => format!("end it: SELECT pg_terminate_backend({pid}); then find out why it takes these locks"),
            None => "roll it back: SELECT gid FROM pg_prepared_xacts; ROLLBACK PREPARED …".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_named_with_its_role_and_application_and_with_what_it_keeps_back() {
        let stranger = Stranger {
            pid: Some(812),
            what: "lanes".into(),
            locks: 64,
            role: Some("mallory".into()),
            application_name: Some("psql".into()),
            since: None,
        };
        let expected = "session 812 (role mallory, application psql), which is no relay, holds the locks of 64 lanes: the events of these \
                        lanes are not published";
        assert_eq!(stranger.words(), expected);
        assert!(stranger.fix().contains("pg_terminate_backend(812)"));
        let nameless = Stranger { application_name: Some(String::new()), what: MIGRATION.into(), ..stranger };
        assert!(nameless.words().contains("no application name"), "{}", nameless.words());
        assert!(nameless.words().contains("the lock of the migration"), "{}", nameless.words());
    }
}
