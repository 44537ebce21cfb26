//! Requests to the Product Service, answered by events of its own. Built by [`crate::product`].

use serde::{Deserialize, Serialize};

use crate::value::id::{ProductId, RequestId};

/// Asks for the details of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProductDetailsRequestedEvent {
    /// The product.
    pub product_id: ProductId,
    /// The answer carries the same.
    pub request_id: RequestId,
    /// The event that answers: `product.details_provided`.
    pub callback_event: String,
}

/// Asks for the details of several products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProductBatchDetailsRequestedEvent {
    /// The products.
    pub product_ids: Vec<ProductId>,
    /// The answer carries the same.
    pub request_id: RequestId,
    /// The event that answers, `product.batch_details_provided`; the refresh leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_event: Option<String>,
    /// True in the regular refresh, else left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_mode: Option<bool>,
}
