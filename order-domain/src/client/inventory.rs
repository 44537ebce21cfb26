//! The client of the Inventory Service (seed 001, seed 002): reserving stock for an order, and moving what was reserved. What reserves is
//! sent again only if it surely never arrived, because nothing says that Inventory would notice.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::body;
use super::breaker::{BreakerPolicy, BreakerState, Opening};
use super::error::CallError;
use super::retry::RetryPolicy;
use super::scope::Scope;
use super::service::{CallPolicy, Caller, Neighbour, Request, Service};
use crate::order::LINES_MAX;
use crate::value::id::{AllocationId, InventoryItemId, OrderId, OrderItemId, ProductId, WarehouseId};
use crate::value::timestamp::Timestamp;

/// How the Inventory Service is called, by its document: 3 s an attempt; after 300, 600 and 1200 ms again, all within 5 s, and not on
/// 429; more failures than answers within ten seconds open the breaker for 30 s.
pub const POLICY: CallPolicy = CallPolicy {
    attempt: Duration::from_secs(3),
    retry: RetryPolicy {
        delay: Duration::from_millis(300),
        retries: 3,
        total: Duration::from_secs(5),
        on_too_many: false,
        retry_after_max: Duration::from_secs(2),
    },
    breaker: BreakerPolicy { opening: Opening::MoreThanHalf { calls_min: 5 }, open_for: Duration::from_secs(30) },
    body_bytes_max: 4 << 20,
};

/// What is to be reserved for a line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AllocationRequest {
    /// The line.
    pub order_item_id: OrderItemId,
    /// Its stock item.
    pub inventory_item_id: InventoryItemId,
    /// How many pieces.
    pub quantity: u32,
    /// From where; Inventory chooses where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warehouse_id: Option<WarehouseId>,
    /// Until when it is kept unless it is confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// How far an allocation is at the Inventory Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AllocationState {
    /// Reserved until it is confirmed, or expires.
    Pending,
    /// Reserved for good.
    Confirmed,
    /// Given back.
    Cancelled,
    /// Not confirmed in time.
    Expired,
    /// Picked, packed and shipped.
    Fulfilled,
}

/// What the Inventory Service has reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllocationRecord {
    /// Names it.
    pub id: AllocationId,
    /// For which order.
    pub order_id: OrderId,
    /// For which line.
    pub order_item_id: OrderItemId,
    /// The stock item it is about.
    #[serde(default)]
    pub inventory_item_id: Option<InventoryItemId>,
    /// Where the pieces are.
    #[serde(default)]
    pub warehouse_id: Option<WarehouseId>,
    /// How many pieces.
    pub quantity: u32,
    /// How far it is.
    pub status: AllocationState,
    /// Until when a pending one is kept.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// When it last changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// The client of the Inventory Service.
pub struct InventoryClient(Service);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Create<'a> {
    order_id: &'a OrderId,
    #[serde(flatten)]
    item: &'a AllocationRequest,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateAll<'a> {
    order_id: &'a OrderId,
    items: &'a [AllocationRequest],
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    correlation_id: &'a str,
    source: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reserve<'a> {
    order_id: &'a OrderId,
    items: &'a [ReserveItem],
}

/// Pieces of a product, for [`InventoryClient::reserve`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReserveItem {
    /// The product.
    pub product_id: ProductId,
    /// How many pieces.
    pub quantity: u32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Several {
    List(Vec<AllocationRecord>),
    Named { allocations: Vec<AllocationRecord> },
}

impl InventoryClient {
    /// Calls the service at `base`.
    ///
    /// # Errors
    /// Where `base` is no address.
    pub fn new(base: &str, caller: &Caller) -> Result<Self, String> {
        Self::with(base, POLICY, caller)
    }

    /// The same with another policy.
    ///
    /// # Errors
    /// Where `base` is no address.
    pub fn with(base: &str, policy: CallPolicy, caller: &Caller) -> Result<Self, String> {
        Service::new(Neighbour::Inventory, base, policy, caller).map(Self)
    }

    /// Where the breaker is.
    pub fn state(&self) -> BreakerState {
        self.0.state()
    }

    /// Reserves stock for one line (`POST /allocations`).
    ///
    /// # Errors
    /// `INSUFFICIENT_STOCK` and the like as [`CallError::Refused`]; [`CallError::OutcomeUnknown`] where it may have been reserved.
    pub async fn create(
        &self,
        order_id: &OrderId,
        item: &AllocationRequest,
        scope: &Scope,
    ) -> Result<AllocationRecord, CallError> {
        let request = Request::post("create", &["allocations"], &Create { order_id, item });
        self.0.call(request, scope, |text| one(text, order_id)).await
    }

    /// Reserves stock for lines of an order in one call (`POST /allocations/bulk`).
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_all(
        &self,
        order_id: &OrderId,
        items: &[AllocationRequest],
        scope: &Scope,
    ) -> Result<Vec<AllocationRecord>, CallError> {
        let correlation_id = scope.correlation_id.as_ref().map_or(order_id.as_str(), |id| id.as_str());
        let metadata = Metadata { correlation_id, source: "order-service" };
        let request = Request::post("create_all", &["allocations", "bulk"], &CreateAll { order_id, items, metadata });
        self.0.call(request, scope, |text| several(text, order_id)).await
    }

    /// What is reserved for an order (`GET /allocations/by-order/{orderId}`); nothing where Inventory does not know the order.
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn by_order(&self, order_id: &OrderId, scope: &Scope) -> Result<Vec<AllocationRecord>, CallError> {
        let path = ["allocations", "by-order", order_id.as_str()];
        match self.0.call(Request::get("by_order", &path), scope, |text| several(text, order_id)).await {
            Err(CallError::NotFound { .. }) => Ok(Vec::new()),
            called => called,
        }
    }

    /// Reserves for good (`PUT /allocations/{id}/confirm`).
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn confirm(&self, id: &AllocationId, scope: &Scope) -> Result<(), CallError> {
        self.put("confirm", id, scope).await
    }

    /// Gives back (`PUT /allocations/{id}/cancel`).
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn cancel(&self, id: &AllocationId, scope: &Scope) -> Result<(), CallError> {
        self.put("cancel", id, scope).await
    }

    /// Says that the pieces have left (`PUT /allocations/{id}/fulfill`).
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn fulfil(&self, id: &AllocationId, scope: &Scope) -> Result<(), CallError> {
        self.put("fulfill", id, scope).await
    }

    /// Reserves by product (`POST /inventory/reserve`), for an Inventory Service that has no allocations. True where all of it is reserved.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn reserve(&self, order_id: &OrderId, items: &[ReserveItem], scope: &Scope) -> Result<bool, CallError> {
        let request = Request::post("reserve", &["inventory", "reserve"], &Reserve { order_id, items });
        match self.0.call(request, scope, |_| Ok(())).await {
            Ok(()) => Ok(true),
            // `success: false` without a code is the plain no of the document.
            Err(CallError::Refused { refused, .. }) if refused.status == 200 && refused.code.as_str().is_empty() => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn put(&self, verb: &'static str, id: &AllocationId, scope: &Scope) -> Result<(), CallError> {
        let path = ["allocations", id.as_str(), verb];
        self.0.call(Request::put(verb, &path), scope, |_| Ok(())).await
    }
}

fn one(text: &str, order_id: &OrderId) -> Result<AllocationRecord, String> {
    let record: AllocationRecord = body::owned(text)?;
    if record.order_id == *order_id { Ok(record) } else { Err("it is for another order".to_owned()) }
}

fn several(text: &str, order_id: &OrderId) -> Result<Vec<AllocationRecord>, String> {
    let records = match body::owned(text)? {
        Several::List(records) | Several::Named { allocations: records } => records,
    };
    if records.len() > LINES_MAX * 2 {
        return Err("it has more allocations than an order can have".to_owned());
    }
    if records.iter().any(|record| record.order_id != *order_id) {
        return Err("it is for another order".to_owned());
    }
    Ok(records)
}
