//! What is known of a product, for people who look into prices that are off.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use order_domain::client::product::{Product, ProductError, ProductSource};
use order_domain::client::{Deadline, Scope};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{Answer, Success, ok};
use crate::app::App;
use crate::body::ProductPath;
use crate::operation::Operation;
use crate::problem::Problem;
use crate::product_details::{DetailsError, details};

/// A product.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    id: String,
    name: Option<String>,
    /// Of one piece.
    #[schema(value_type = Option<f64>)]
    price: Option<order_domain::Amount>,
    status: Option<String>,
    available: Option<bool>,
    quantity_available: Option<i64>,
    /// `cache` for a copy; absent where the Product Service was asked.
    #[serde(rename = "_source", skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
}

impl From<Product> for ProductView {
    fn from(product: Product) -> Self {
        Self {
            id: product.id.to_string(),
            name: product.name.map(|name| name.to_string()),
            price: product.price,
            status: product.status.map(|status| status.to_string()),
            available: product.available,
            quantity_available: product.quantity_available,
            source: match product.source {
                ProductSource::Service => None,
                ProductSource::Cache => Some("cache"),
            },
        }
    }
}

impl From<DetailsError> for Problem {
    fn from(error: DetailsError) -> Self {
        match error {
            DetailsError::Store(error) => error.into(),
            DetailsError::Product(error) => error.into(),
        }
    }
}

impl From<ProductError> for Problem {
    fn from(error: ProductError) -> Self {
        let message = error.to_string();
        match error {
            ProductError::NotFound(id) => {
                Self::new(StatusCode::NOT_FOUND, "PRODUCT_NOT_FOUND", message, json!({ "productId": id }))
            }
            ProductError::Failed(_) | ProductError::BatchFailed(_) | ProductError::Unavailable(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "PRODUCT_SERVICE_UNAVAILABLE", message, json!({}))
            }
        }
    }
}

/// A product: its copy; otherwise the Product Service is asked through the outbox, and called where it does not answer within 5 s.
#[utoipa::path(
    get, path = "/admin/products/{productId}", tag = "service",
    params(ProductPath),
    responses((status = 200, body = Success<ProductView>)),
)]
pub async fn product(
    State(app): State<App>,
    ProductPath { product_id: id }: ProductPath,
    Operation(context): Operation,
    Extension(deadline): Extension<Deadline>,
) -> Answer {
    let Some(products) = &app.neighbours.products else {
        let message = "this service was started without the address of the Product Service";
        return Err(Problem::new(StatusCode::NOT_FOUND, "PRODUCT_SERVICE_NOT_CONFIGURED", message, json!({})));
    };
    let scope = Scope::of(&context, deadline).or_correlated(id.as_str());
    let found = details(&app, products, &id, &context, &scope).await?;
    Ok(ok(&ProductView::from(found)))
}
