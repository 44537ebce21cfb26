//! Whether the service can do anything, and how its consumers are.

use std::collections::BTreeMap;

use axum::extract::State;
use order_domain::amqp::ConsumerState;
use order_domain::client::{BreakerState, Neighbour};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success, ok};
use crate::app::App;
use crate::consumers::Hearing;
use crate::neighbours::Neighbours;
use crate::tally::CacheCounts;

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
    /// Each service that is called; none where no address is given. One that is away makes nobody less healthy.
    neighbours: Vec<NeighbourView>,
    /// What came of looking for copies of products since this process started.
    product_cache: ProductCacheView,
}

/// A service that is called, and what came of calls since this process started.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NeighbourView {
    /// `product`, `inventory` or `user`.
    service: &'static str,
    /// Where its circuit breaker is: `closed`, `half_open` or `open`.
    breaker: &'static str,
    /// How often the breaker opened.
    opened: u64,
    /// Calls by outcome: `ok`, `not_found`, `refused`, `try_later`, `outcome_unknown`, `circuit_open`.
    outcomes: BTreeMap<&'static str, u64>,
    /// Attempts that failed and were repeated.
    retried: u64,
    /// How long all calls took.
    seconds: f64,
}

/// What came of looking for copies of products.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductCacheView {
    hits: u64,
    misses: u64,
    /// Times that the store failed or did not answer in time.
    failures: u64,
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
    let (neighbours, product_cache) = called(&app.neighbours);
    Ok(ok(&Health { status: "UP", consumers, heard, neighbours, product_cache }))
}

fn called(neighbours: &Neighbours) -> (Vec<NeighbourView>, ProductCacheView) {
    let view = |(service, state): (Neighbour, BreakerState)| {
        let counts = neighbours.tally.calls(service);
        NeighbourView {
            service: service.as_str(),
            breaker: state.as_str(),
            opened: counts.opened,
            outcomes: counts.outcomes,
            retried: counts.retried,
            seconds: counts.seconds,
        }
    };
    let CacheCounts { hits, misses, failures } = neighbours.tally.cache();
    (neighbours.breakers().into_iter().map(view).collect(), ProductCacheView { hits, misses, failures })
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
