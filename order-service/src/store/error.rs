//! What can go wrong in the store, by what a client can do about it.

use std::error::Error;

use deadpool_postgres::PoolError;
use order_domain::inbound::{Dead, Fault};
use order_domain::outbox::AppendError;
use order_domain::value::id::OrderId;
use order_domain::{Refusal, inbox};
use tokio_postgres::error::SqlState;

type Cause = Box<dyn Error + Send + Sync>;

/// Why nothing was done. [`StoreError::OutcomeUnknown`] alone may have been.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the domain refused")]
    Refused(#[source] Box<Refusal>),
    #[error("there is no order {0}")]
    NotFound(OrderId),
    #[error("the idempotency key {0} has been used with another body")]
    KeyReused(String),
    #[error("there is no dead letter {0}")]
    NoDeadLetter(i64),
    #[error("the dead letter {0} was replayed or resolved before")]
    DeadLetterClosed(i64),
    #[error("the body of the dead letter {0} was not kept whole")]
    NotWhole(i64),
    #[error("a fact is of no use")]
    Dead(#[source] Dead),
    #[error("the database is busy")]
    Busy(#[source] Cause),
    #[error("the database cannot be reached")]
    NoConnection(#[source] Cause),
    #[error("the database did not answer a COMMIT")]
    OutcomeUnknown(#[source] Cause),
    #[error("the events are too large")]
    TooMuch(#[source] Cause),
    #[error("a fault of the service")]
    Broken(#[source] Cause),
}

impl StoreError {
    /// For the log: the error with its causes. Of what the database says, the state and the names alone; its words may
    /// repeat values.
    pub fn cause(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(error) = next {
            if let Some(database) = error.downcast_ref::<tokio_postgres::error::DbError>() {
                let (state, table) = (database.code().code(), database.table().unwrap_or("-"));
                return format!("{text}: {} {state}, table {table}", database.severity());
            }
            // The client's own text ends with that of the database, where there is one.
            if error.downcast_ref::<tokio_postgres::Error>().is_none_or(|error| error.as_db_error().is_none()) {
                text = format!("{text}: {error}");
            }
            next = error.source();
        }
        text
    }

    /// Whose fault it is that a message was not handled. What every message would meet is the infrastructure's.
    pub fn fault(&self) -> Fault {
        let text = self.cause();
        match self {
            Self::Busy(_) | Self::NoConnection(_) | Self::OutcomeUnknown(_) => Fault::infrastructure(text),
            Self::Broken(cause) => match cause.downcast_ref::<tokio_postgres::Error>() {
                Some(error) => Fault { kind: inbox::fault(error).kind, text },
                None => Fault::message(text),
            },
            Self::Refused(_)
            | Self::NotFound(_)
            | Self::KeyReused(_)
            | Self::NoDeadLetter(_)
            | Self::DeadLetterClosed(_)
            | Self::NotWhole(_)
            | Self::Dead(_)
            | Self::TooMuch(_) => Fault::message(text),
        }
    }

    /// A COMMIT that was not answered may have been done.
    pub fn at_commit(error: tokio_postgres::Error) -> Self {
        if error.as_db_error().is_some() { error.into() } else { Self::OutcomeUnknown(error.into()) }
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else { return Self::NoConnection(error.into()) };
        const BUSY: [SqlState; 6] = [
            SqlState::QUERY_CANCELED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ];
        // 57P01 to 57P05: the server, or somebody there, ends the connection. 08: connections themselves.
        let ends = state.code().starts_with("57P") || state.code().starts_with("08");
        if BUSY.contains(state) || ends { Self::Busy(error.into()) } else { Self::Broken(error.into()) }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Timeout(_) => Self::Busy(error.into()),
            PoolError::Backend(error) => Self::NoConnection(error.into()),
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::Broken(error.into())
            }
        }
    }
}

impl From<AppendError<tokio_postgres::Error>> for StoreError {
    fn from(error: AppendError<tokio_postgres::Error>) -> Self {
        match error {
            AppendError::Database(error) => error.into(),
            error @ (AppendError::TooLarge { .. } | AppendError::TooMany { .. } | AppendError::TooManyBytes { .. }) => {
                Self::TooMuch(error.into())
            }
            // The order was locked: this cannot happen, and whatever else is added is not known here.
            error => Self::Broken(error.into()),
        }
    }
}
