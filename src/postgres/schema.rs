//! The version of the schema: which one this program knows, and whether it may use the one that is there.

use crate::outbox::store::{Cause, StoreError};
use crate::postgres::call;
use crate::postgres::queries::Queries;
use tokio_postgres::Client;

/// The schema version that this relay writes. It also runs on newer versions that allow it.
pub const SCHEMA_VERSION: i32 = 2;

/// Checks that the tables exist, in a version that this program works with.
pub(crate) async fn check_schema(client: &Client, queries: &Queries, schema: &str) -> Result<(), StoreError> {
    let row = call::one(client, "reading the schema version", &queries.schema_version, &[]).await;
    let row = match row {
        Ok(row) => row,
        Err(StoreError::Failed { cause: Cause::Missing, .. }) => {
            return Err(StoreError::Schema(format!(
                "the schema '{schema}' has no outbox tables; run: outbox-relay migrate --schema {schema}"
            )));
        }
        Err(other) => return Err(other),
    };
    let (version, min_relay): (Option<i32>, Option<i32>) = (row.get(0), row.get(1));
    match (version, min_relay) {
        (Some(version), _) if version < SCHEMA_VERSION => Err(StoreError::Schema(format!(
            "the schema '{schema}' has version {version}, this relay needs {SCHEMA_VERSION}; run: outbox-relay migrate --schema {schema}"
        ))),
        (Some(version), Some(needed)) if needed > SCHEMA_VERSION => Err(StoreError::Schema(format!(
            "the schema '{schema}' has version {version}, which needs a newer outbox-relay"
        ))),
        (Some(_), _) => Ok(()),
        (None, _) => Err(StoreError::Schema(format!(
            "the schema '{schema}' is incomplete; run: outbox-relay migrate --schema {schema}"
        ))),
    }
}
