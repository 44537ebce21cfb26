//! What `trace` says of a key, and the commands that an answer offers.

use serde_json::Value;
use testkit::TestBed;
use testkit::command::document;

/// The events of a key as `trace` sees them.
pub async fn events(bed: &TestBed, target: &str) -> Vec<Value> {
    let document = document(bed, &["trace", target]).await;
    document["events"].as_array().expect("events are a list").clone()
}

/// The states of a key's events, in order.
pub async fn states(bed: &TestBed, target: &str) -> Vec<String> {
    let events = events(bed, target).await;
    events.iter().map(|event| event["state"].as_str().expect("a state").to_owned()).collect()
}

/// The commands that an answer offers.
pub fn commands(value: &Value) -> Vec<&str> {
    let steps = value["next"].as_array().expect("next is a list");
    steps.iter().filter_map(|step| step["command"].as_str()).collect()
}
