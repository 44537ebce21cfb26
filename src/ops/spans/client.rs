//! The client for the collector: hyper on the relay's own runtime, with the same TLS as for the
//! services.
//!
//! The library's exporter calls it on its own thread, which has no runtime, so that an asynchronous
//! client would panic there ("there is no reactor running"). So each request runs as a task of the
//! runtime, and the thread only waits for the answer.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use crate::deadline::deadline;
use crate::net::cut;
use crate::net::tls::{TlsFiles, Verify, client_config};
use crate::ops::spans::export::Trouble;

/// Larger than any answer of a collector.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Sends requests to the collector.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    client: Client<HttpsConnector<HttpConnector>, Body>,
    timeout: Duration,
    trouble: Arc<Trouble>,
}

impl Collector {
    /// Uses the runtime of the caller. Records in `trouble` why a request failed, because the
    /// exporter does not tell.
    pub(super) fn new(tls: &TlsFiles, timeout: Duration, trouble: Arc<Trouble>) -> Result<Self, String> {
        let tls = client_config(tls, Verify::Full)?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build(connector);
        Ok(Self { runtime: Handle::current(), client, timeout, trouble })
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let (client, timeout) = (self.client.clone(), self.timeout);
        let answered = self.runtime.spawn(async move {
            let answer = async {
                let (head, body) = client.request(request.map(Body::from)).await?.into_parts();
                let body = to_bytes(Body::new(body), ANSWER_BYTES_MAX).await?;
                Ok::<_, HttpError>(Response::from_parts(head, body))
            };
            deadline(timeout, "the collector's answer", answer).await
        });
        Box::pin(async move {
            let error: HttpError = match answered.await {
                Ok(Ok(Ok(answer))) => {
                    self.trouble.is_over();
                    return Ok(answer);
                }
                Ok(Ok(Err(error))) => error,
                Ok(Err(elapsed)) => elapsed.into(),
                Err(ended) => ended.into(),
            };
            self.trouble.is(words(&*error));
            Err(error)
        })
    }
}

/// An error with its causes: hyper itself only says "client error (Connect)".
fn words(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    cut(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}
