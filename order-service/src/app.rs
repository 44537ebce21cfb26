//! The router: every endpoint with its limits around it, and an answer in the same shape for whatever is none.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::middleware;
use axum::response::IntoResponse as _;
use axum::routing::get;
use order_domain::order::{Decision, OrderFact};
use order_domain::value::id::OrderId;
use order_domain::{Context, Order, Refusal};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answer, ok};
use crate::api::{change, dead_letters, fulfilment, health, notify, payment, place, products, read, refund, returns};
use crate::consumers::Hearing;
use crate::limits;
use crate::neighbours::Neighbours;
use crate::openapi;
use crate::problem::Problem;
use crate::serve::Service;
use crate::settings::Settings;
use crate::store::{HeardOrder, Store};
use crate::view::OrderView;

/// What every handler has.
#[derive(Clone)]
pub struct App {
    pub store: Arc<Store>,
    /// Absent where the service was started without a broker.
    pub hearing: Option<Hearing>,
    /// The services that are called; those without an address are not there.
    pub neighbours: Arc<Neighbours>,
}

impl App {
    pub fn new(store: Store, hearing: Option<Hearing>, neighbours: Arc<Neighbours>) -> Self {
        Self { store: Arc::new(store), hearing, neighbours }
    }

    /// Has `decide` move an order, and answers with the order as it is then.
    pub async fn moved(&self, id: &OrderId, decide: impl FnOnce(&Order) -> Result<Decision, Refusal>) -> Answer {
        let decision = self.store.change(id, decide).await?;
        Ok(ok(&OrderView::from(&decision.order)))
    }

    /// Has an order hear a fact, and answers with the order as it is then. A fact has happened and is not refused: one that is known
    /// or comes too late changes nothing and is answered like one that counts.
    pub async fn heard(&self, id: &OrderId, fact: &OrderFact, context: &Context) -> Answer {
        let HeardOrder { order, outcome } = self.store.hear_fact(id, fact, context).await?;
        let outcome = HeaderValue::from_static(outcome.as_str());
        Ok(([(FACT_OUTCOME, outcome)], ok(&OrderView::from(&order))).into_response())
    }
}

/// How a fact ended: `applied`, `known`, `stale` or `review`.
const FACT_OUTCOME: HeaderName = HeaderName::from_static("fact-outcome");

/// Everything that is served.
pub fn router(app: App, settings: &Settings) -> Service {
    let (router, document) = endpoints().split_for_parts();
    let document = openapi::finished(document);
    let router = router
        .route("/openapi.json", get(move || openapi::serve(document.clone())))
        .method_not_allowed_fallback(|method: Method| async move { Problem::method(&method) })
        .fallback(|uri: Uri| async move { Problem::path(&uri) })
        .layer(DefaultBodyLimit::max(settings.body_bytes_max as usize))
        .layer(middleware::from_fn_with_state(settings.request_deadline(), limits::deadline))
        .layer(middleware::from_fn(limits::log))
        .with_state(app);
    Service { router, connections_max: settings.connections_max.into() }
}

fn endpoints() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(place::place, read::list))
        .routes(routes!(read::statistics))
        .routes(routes!(read::order, change::update))
        .routes(routes!(read::items))
        .routes(routes!(change::cancel))
        .routes(routes!(payment::start_payment))
        .routes(routes!(payment::complete_payment))
        .routes(routes!(payment::fail_payment))
        .routes(routes!(payment::retry_payment))
        .routes(routes!(fulfilment::process))
        .routes(routes!(fulfilment::ship))
        .routes(routes!(fulfilment::report_delay))
        .routes(routes!(fulfilment::deliver))
        .routes(routes!(returns::initiate_return))
        .routes(routes!(returns::approve_return))
        .routes(routes!(refund::request_refund))
        .routes(routes!(refund::initiate_refund))
        .routes(routes!(refund::complete_refund))
        .routes(routes!(notify::notify))
        .routes(routes!(notify::notification))
        .routes(routes!(dead_letters::dead_letters))
        .routes(routes!(dead_letters::dead_letter))
        .routes(routes!(dead_letters::replay_dead_letter))
        .routes(routes!(dead_letters::resolve_dead_letter))
        .routes(routes!(products::product))
        .routes(routes!(health::health))
}
