//! The OpenAPI document, against the router and against README.md.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::http::Request;
use crate::stage::Stage;

fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |(path, item): (&String, &Value)| {
        let item = item.as_object().expect("operations").clone();
        let path = path.clone();
        item.into_iter().map(move |(method, _)| format!("{} {path}", method.to_uppercase()))
    };
    paths.iter().flat_map(methods).collect()
}

#[tokio::test]
async fn every_operation_of_the_document_is_served_and_says_how_it_fails() {
    let stage = Stage::new().await;
    let document = stage.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    assert!(operations.len() > 20, "{operations:?}");
    for operation in operations {
        let (method, path) = operation.split_once(' ').expect("two words");
        let responses = &document["paths"][path][method.to_lowercase()]["responses"];
        for status in ["400", "503"] {
            let schema = &responses[status]["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Failure", "{operation} {status}");
        }
        let path = path.replace("{orderId}", "none").replace("{notificationId}", "none").replace("{deadLetterId}", "0");
        let answer = stage.request(&Request { method, path: &path, headers: &[], body: None }).await;
        let code = if answer.status < 300 { String::new() } else { answer.problem() };
        assert!(!code.ends_with("UNKNOWN_PATH") && !code.ends_with("METHOD_NOT_ALLOWED"), "{operation}: {code}");
        assert!(responses[answer.status.to_string()].is_object(), "{operation} answers {code} and does not say so");
    }
}

#[tokio::test]
async fn the_readme_lists_every_operation() {
    let stage = Stage::new().await;
    let expected = operations(&stage.get("/openapi.json").await.json());
    let readme = include_str!("../../README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name));
    let listed: BTreeSet<String> = rows
        .filter(|name| name.contains(" /"))
        .map(|name| name.split(['?']).next().unwrap_or(name).to_owned())
        .collect();
    assert_eq!(listed, expected);
}
