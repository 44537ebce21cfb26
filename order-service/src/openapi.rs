//! The OpenAPI document. Paths and bodies come from the handlers; what every operation may answer is added here, once.

use std::collections::BTreeMap;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use order_domain::Currency;
use utoipa::openapi::Schema;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{Components, ContentBuilder, Info, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::problem::Failure;

/// The document before any endpoint.
pub fn head() -> OpenApi {
    let mut components = Components::new();
    let mut schemas = Vec::new();
    Failure::schemas(&mut schemas);
    schemas.push((Failure::name().into_owned(), Failure::schema()));
    components.schemas.extend(schemas);
    let mut info = Info::new("order-service", env!("CARGO_PKG_VERSION"));
    info.description = Some("The reference order service: orders over HTTP, their events in the outbox.".to_owned());
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// The document with the failures of every operation.
pub fn finished(mut document: OpenApi) -> String {
    for (path, item) in &mut document.paths.paths {
        for (operation, has_body) in operations(item) {
            add_failures(operation, path, has_body);
        }
    }
    add_links(&mut document);
    add_currencies(&mut document);
    document.to_pretty_json().expect("the document is made of texts and numbers")
}

/// Serves it.
pub async fn serve(document: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&mut Operation, bool)> {
    let all = [&mut item.get, &mut item.post, &mut item.patch];
    all.into_iter().flatten().map(|operation| {
        let has_body = operation.request_body.is_some();
        (operation, has_body)
    })
}

/// The currencies that an order can be placed in, from the domain's own list.
fn add_currencies(document: &mut OpenApi) {
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    let place = schemas.and_then(|schemas| schemas.get_mut("PlaceBody"));
    let Some(RefOr::T(Schema::Object(place))) = place else { unreachable!("an order is placed by an object") };
    let Some(RefOr::T(Schema::Object(currency))) = place.properties.get_mut("currency") else {
        unreachable!("a currency is a text")
    };
    currency.enum_values = Some(Currency::all().map(|currency| currency.as_str().into()).collect());
}

/// Where an order that was placed can be asked for and moved: for readers, and for programs that try the service out.
fn add_links(document: &mut OpenApi) {
    let mut links = BTreeMap::new();
    for (path, item) in &mut document.paths.paths {
        for (operation, _) in
            operations(item).filter(|_| path.contains("{orderId}") && !path.contains("{notificationId}"))
        {
            let id = operation.operation_id.clone().expect("every handler has a name");
            let link = LinkBuilder::new().operation_id(id.as_str()).parameter("orderId", "$response.body#/data/id");
            links.insert(id, RefOr::T(link.build()));
        }
    }
    let place = document.paths.paths.get_mut("/orders").and_then(|item| item.post.as_mut());
    let responses = &mut place.expect("orders are placed").responses.responses;
    for status in ["200", "201"] {
        if let Some(RefOr::T(response)) = responses.get_mut(status) {
            response.links.clone_from(&links);
        }
    }
}

fn add_failures(operation: &mut Operation, path: &str, has_body: bool) {
    let mut add = |status: &str, description: &str| {
        let schema = Ref::from_schema_name(Failure::name());
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(description).content("application/json", content).build();
        operation.responses.responses.insert(status.to_owned(), response.into());
    };
    add("400", "No request that can be read: its body, its query, its path or its headers.");
    add("503", "Not now: the database is busy or away, or the request took too long.");
    if path.contains('{') {
        add("404", "There is nothing of that id.");
    }
    if path != "/health" && path != "/orders/statistics" {
        add("422", "A value that nothing can have.");
    }
    if has_body || path.contains("{orderId}/") && !path.ends_with("/items") && !path.ends_with("{notificationId}") {
        add("409", "At odds with the state of the order or the dead letter, or an idempotency key with another body.");
    }
    if has_body {
        add("413", "The body is larger than is taken.");
        add("415", "The body is not application/json.");
    }
}
