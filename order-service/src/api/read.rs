//! Reading: an order, its items, a user's orders, and how many there are.

use axum::extract::State;
use order_domain::value::id::UserId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Answer, Success, ok};
use crate::app::App;
use crate::body::{OrderPath, Parameters};
use crate::problem::Problem;
use crate::store::{Page, StoreError, Summary};
use crate::view::{ItemView, OrderView, StatusView};

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;

/// An order, with what others have told of it. Inventory, and whoever else, reads `data.id` and the rest.
#[utoipa::path(get, path = "/orders/{orderId}", tag = "orders", params(OrderPath), responses((status = 200, body = Success<OrderView>)))]
pub async fn order(State(app): State<App>, path: OrderPath) -> Answer {
    Ok(ok(&OrderView::from(&app.store.whole(&path.order_id).await?)))
}

/// The lines of an order, as Inventory asks for them.
#[utoipa::path(get, path = "/orders/{orderId}/items", tag = "orders", params(OrderPath), responses((status = 200, body = Success<Vec<ItemView>>)))]
pub async fn items(State(app): State<App>, path: OrderPath) -> Answer {
    Ok(ok(&ItemView::allocated(&app.store.whole(&path.order_id).await?)))
}

/// Which orders are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Whose; absent means everybody's.
    #[param(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    user_id: Option<String>,
    /// How many at most; 20 where it is absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^[0-9]{1,18}$")]
    cursor: Option<String>,
}

impl ListQuery {
    fn page(self) -> Result<Page, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let details = json!({ "parameter": "limit", "limit": limit, "limitMax": LIMIT_MAX });
            return Err(Problem::bad_request("INVALID_LIMIT", "a page has 1 to 100 orders", details));
        }
        let below = match self.cursor {
            None => i64::MAX,
            Some(cursor) => number(&cursor).ok_or_else(|| {
                let details = json!({ "parameter": "cursor" });
                Problem::bad_request("INVALID_CURSOR", "the cursor is none of this service", details)
            })?,
        };
        let user_id = self.user_id.map(UserId::new).transpose()?;
        Ok(Page { user_id, below, limit: limit.into() })
    }
}

/// 1 to 18 digits, which always fit.
fn number(cursor: &str) -> Option<i64> {
    let is_number = (1..=18).contains(&cursor.len()) && cursor.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| cursor.parse().ok())?
}

/// A page of orders.
#[derive(Serialize, ToSchema)]
pub struct ListView {
    orders: Vec<SummaryView>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// An order in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SummaryView {
    id: String,
    order_number: String,
    user_id: String,
    #[schema(value_type = StatusView)]
    status: String,
    version: i64,
    #[schema(format = DateTime)]
    created_at: String,
    currency: String,
    #[schema(value_type = f64, minimum = 0)]
    total_amount: Box<RawValue>,
    item_count: i32,
}

impl TryFrom<Summary> for SummaryView {
    type Error = StoreError;

    fn try_from(summary: Summary) -> Result<Self, StoreError> {
        Ok(Self {
            order_number: format!("ORD-{:08}", summary.number),
            id: summary.id,
            user_id: summary.user_id,
            status: summary.status,
            version: summary.version,
            created_at: summary.created_at,
            currency: summary.currency,
            total_amount: decimal(summary.total)?,
            item_count: summary.item_count,
        })
    }
}

/// A decimal of the database as the JSON number that it is.
fn decimal(text: String) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(text).map_err(|e| StoreError::Broken(e.into()))
}

/// Orders, newest first, in pages.
#[utoipa::path(get, path = "/orders", tag = "orders", params(ListQuery), responses((status = 200, body = Success<ListView>)))]
pub async fn list(State(app): State<App>, Parameters(query): Parameters<ListQuery>) -> Answer {
    let mut page = query.page()?;
    let limit = page.limit;
    page.limit += 1; // one more tells whether there is another page
    let mut found = app.store.list(&page).await?;
    let has_more = found.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if has_more {
        found.pop();
    }
    let next = found.last().filter(|_| has_more).map(|summary| summary.number.to_string());
    let orders: Result<_, _> = found.into_iter().map(SummaryView::try_from).collect();
    Ok(ok(&ListView { orders: orders?, next }))
}

/// How many orders there are.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatisticsView {
    orders: i64,
    by_status: Vec<StatusCount>,
    by_currency: Vec<CurrencySum>,
}

/// In one status.
#[derive(Serialize, ToSchema)]
pub struct StatusCount {
    #[schema(value_type = StatusView)]
    status: String,
    orders: i64,
}

/// In one currency, cancelled ones too.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrencySum {
    currency: String,
    orders: i64,
    #[schema(value_type = f64, minimum = 0)]
    total_amount: Box<RawValue>,
}

/// How many orders there are in each status, and what those of each currency come to.
#[utoipa::path(get, path = "/orders/statistics", tag = "orders", responses((status = 200, body = Success<StatisticsView>)))]
pub async fn statistics(State(app): State<App>) -> Answer {
    let mut view = StatisticsView { orders: 0, by_status: Vec::new(), by_currency: Vec::new() };
    for statistic in app.store.statistics().await? {
        let orders = statistic.orders;
        if let Some(status) = statistic.status {
            view.orders += orders;
            view.by_status.push(StatusCount { status, orders });
        } else if let Some(currency) = statistic.currency {
            view.by_currency.push(CurrencySum { currency, orders, total_amount: decimal(statistic.total)? });
        }
    }
    Ok(ok(&view))
}
