//! Transactions that wrote events, were prepared for a commit in two phases and were ended by nobody, as `status` and `check` name them.
//! Floors and vacuum wait for them, and so do writers of the same keys.

use serde::Serialize;
use tokio_postgres::Row;

use crate::commands::print::clean;
use crate::commands::print::words::span;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Prepared {
    /// What its coordinator calls it.
    pub gid: String,
    /// Who prepared it.
    pub role: String,
    /// For how long it has been prepared.
    pub age_seconds: i64,
}

impl Prepared {
    /// A row of `prepared_writers.sql`.
    pub(crate) fn read(row: &Row) -> Self {
        Self { gid: row.get("gid"), role: row.get("role"), age_seconds: row.get("age_seconds") }
    }

    /// What it is, for people.
    pub(crate) fn words(&self) -> String {
        let (gid, role, age) = (clean(&self.gid), clean(&self.role), span(self.age_seconds));
        format!("the transaction '{gid}' of {role} wrote events and has been prepared for {age}")
    }

    /// What to do about it.
    pub(crate) fn fix(&self) -> String {
        let literal = clean(&self.gid).replace('\'', "''");
        format!(
            "let its coordinator end it, or do it yourself: COMMIT PREPARED '{literal}' or ROLLBACK PREPARED '{literal}'"
        )
    }
}
