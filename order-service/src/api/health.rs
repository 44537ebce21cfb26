//! Whether the service can do anything, and how its consumers are.

use std::collections::BTreeMap;

use axum::extract::State;
use order_domain::amqp::ConsumerState;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success, ok};
use crate::app::App;
use crate::consumers::Hearing;

/// That it can.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `UP`.
    status: &'static str,
    /// Each queue; none where the service was started without a broker. One that does not run makes nobody less healthy: requests are
    /// answered, and what is told waits at the broker.
    consumers: Vec<ConsumerView>,
    /// What came of messages since this process started.
    heard: Vec<HeardView>,
}

/// A queue and who takes messages from it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerView {
    queue: String,
    /// `CONNECTING`, `RUNNING`, `PAUSED`, `FAILING` or `STOPPED`.
    state: &'static str,
    /// Why it is paused or failing.
    why: Option<String>,
    /// What is missing while it runs, such as an exchange of another service.
    problems: Vec<String>,
}

/// What came of the messages of one service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeardView {
    /// `notification`, `inventory`, `product` or `payment`.
    source: &'static str,
    /// By outcome: `applied`, `known`, `stale`, `review`, `duplicate`, `dead`.
    outcomes: BTreeMap<&'static str, u64>,
    /// Tries that failed and were charged.
    retried: u64,
    /// Messages that were handed back to the broker and charged nothing.
    handed_back: u64,
    /// Dead letters that were stored.
    dead_letters_stored: u64,
}

/// Asks the database; 503 where it does not answer.
#[utoipa::path(get, path = "/health", tag = "service", responses((status = 200, body = Success<Health>)))]
pub async fn health(State(app): State<App>) -> Answer {
    app.store.ping().await?;
    let (consumers, heard) = app.hearing.as_ref().map(views).unwrap_or_default();
    Ok(ok(&Health { status: "UP", consumers, heard }))
}

fn views(hearing: &Hearing) -> (Vec<ConsumerView>, Vec<HeardView>) {
    let consumers = hearing.health().into_iter().map(|health| {
        let (state, why) = match health.state {
            ConsumerState::Connecting => ("CONNECTING", None),
            ConsumerState::Running => ("RUNNING", None),
            ConsumerState::Paused(why) => ("PAUSED", Some(why)),
            ConsumerState::Failing(why) => ("FAILING", Some(why)),
            ConsumerState::Stopped => ("STOPPED", None),
        };
        ConsumerView { queue: health.queue, state, why, problems: health.problems }
    });
    let heard = hearing.tally.read().into_iter().map(|(source, counts)| HeardView {
        source: source.as_str(),
        outcomes: counts.outcomes,
        retried: counts.retried,
        handed_back: counts.handed_back,
        dead_letters_stored: counts.stored,
    });
    (consumers.collect(), heard.collect())
}
