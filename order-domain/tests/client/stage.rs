//! What the tests have in common: a caller without a token, deadlines, quick policies, and an observer that counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_domain::client::product::{self, ProductClient};
use order_domain::client::{
    BreakerState, CallObserver, CallPolicy, Caller, Deadline, Http, Neighbour, RetryPolicy, Scope, Tokens,
    client_config,
};
use order_domain::value::id::ProductId;

/// What the clients have told.
#[derive(Default)]
pub struct Told(Mutex<BTreeMap<String, usize>>);

impl Told {
    pub fn count(&self, what: &str) -> usize {
        self.0.lock().expect("no holder panics").get(what).copied().unwrap_or(0)
    }

    fn add(&self, what: String) {
        *self.0.lock().expect("no holder panics").entry(what).or_default() += 1;
    }
}

impl CallObserver for Told {
    fn called(&self, service: Neighbour, operation: &'static str, outcome: &'static str, seconds: f64) {
        assert!(seconds >= 0.0);
        self.add(format!("{} {operation} {outcome}", service.as_str()));
    }

    fn breaker(&self, service: Neighbour, state: BreakerState) {
        self.add(format!("{} {}", service.as_str(), state.as_str()));
    }
}

pub fn caller() -> Caller {
    caller_with(Tokens::none(), Arc::new(()))
}

pub fn caller_with(tokens: Tokens, observer: Arc<dyn CallObserver>) -> Caller {
    let tls = client_config(None, None).expect("a configuration");
    Caller { http: Http::new(tls).expect("a client"), tokens, observer }
}

pub fn scope(limit: Duration) -> Scope {
    Scope::until(Deadline::after(limit))
}

/// Ten seconds, as a request has.
pub fn request() -> Scope {
    scope(Duration::from_secs(10))
}

/// The same policy with delays that a test can wait for, a tenth of a second and more.
pub fn quick(policy: CallPolicy) -> CallPolicy {
    let retry = RetryPolicy { delay: Duration::from_millis(20), ..policy.retry };
    CallPolicy { retry, ..policy }
}

/// The same without a repetition.
pub fn once(policy: CallPolicy) -> CallPolicy {
    CallPolicy { retry: RetryPolicy { retries: 0, ..policy.retry }, ..policy }
}

/// A client of the Product Service whose retries do not take seconds.
pub fn products(url: &str) -> ProductClient {
    ProductClient::with(url, quick(product::POLICY), &caller()).expect("an address")
}

pub fn id(text: &str) -> ProductId {
    text.parse().expect("an id")
}
