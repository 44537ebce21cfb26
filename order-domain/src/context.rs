//! What a command does not know by itself: the time, the operation it belongs to, and fresh ids.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::value::id::CorrelationId;
use crate::value::timestamp::Timestamp;
use crate::value::traceparent::TraceParent;

/// Passed to every command. Events take their time, correlation id and trace from it.
#[derive(Debug)]
pub struct Context {
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The operation it belongs to; consumers that need one fall back to the order's id.
    pub correlation_id: Option<CorrelationId>,
    /// The trace that consumers continue.
    pub traceparent: Option<TraceParent>,
    ids: Ids,
}

#[derive(Debug)]
enum Ids {
    Random,
    Counted(AtomicU64),
}

impl Context {
    /// Now, with random ids. With the feature `opentelemetry` it belongs to the current span.
    pub fn now() -> Self {
        #[cfg(feature = "opentelemetry")]
        let traceparent = TraceParent::current();
        #[cfg(not(feature = "opentelemetry"))]
        let traceparent = None;
        Self { occurred_at: Timestamp::now(), correlation_id: None, traceparent, ids: Ids::Random }
    }

    /// For tests and samples: at a fixed time, with the ids `…-000000000001`, `…-000000000002` and so on.
    pub fn fixed(occurred_at: Timestamp) -> Self {
        Self { occurred_at, correlation_id: None, traceparent: None, ids: Ids::Counted(AtomicU64::new(1)) }
    }

    /// The same within an operation.
    pub fn with_correlation_id(self, id: CorrelationId) -> Self {
        Self { correlation_id: Some(id), ..self }
    }

    /// The same within a trace.
    pub fn with_traceparent(self, traceparent: TraceParent) -> Self {
        Self { traceparent: Some(traceparent), ..self }
    }

    /// An id for an outbox row. It grows with time, so that the table's primary key is filled at its end.
    pub(crate) fn event_id(&self) -> Uuid {
        self.id(Uuid::now_v7)
    }

    /// An id that tells nothing.
    pub(crate) fn random_id(&self) -> Uuid {
        self.id(Uuid::new_v4)
    }

    fn id(&self, random: impl Fn() -> Uuid) -> Uuid {
        match &self.ids {
            Ids::Random => random(),
            // Version and variant bits of a v4 UUID around a counter.
            Ids::Counted(next) => {
                let number = next.fetch_add(1, Ordering::Relaxed);
                Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0000 | u128::from(number))
            }
        }
    }
}
