//! A collector for OTLP over HTTP: takes what is posted to `/v1/traces`, keeps the spans.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

const BODY_BYTES_MAX: usize = 16 << 20;

/// A span and who sent it.
#[derive(Debug, Clone)]
pub struct Received {
    pub span: Span,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
}

#[derive(Default)]
struct Kept {
    received: Mutex<Vec<Received>>,
    headers: Mutex<HeaderMap>,
    requests: AtomicUsize,
    /// What to answer; 0 is 200.
    status: AtomicU16,
}

pub struct Collector {
    pub addr: SocketAddr,
    kept: Arc<Kept>,
    serving: JoinHandle<()>,
}

impl Collector {
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The same behind TLS.
    pub async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let kept = Arc::new(Kept::default());
        let serving = tokio::spawn(serve(listener, tls, Arc::clone(&kept)));
        Self { addr, kept, serving }
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers with this status from now on.
    pub fn answer(&self, status: u16) {
        self.kept.status.store(status, Ordering::SeqCst);
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.kept.requests.load(Ordering::SeqCst)
    }

    /// A header of the last request.
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.kept.headers.lock().expect("no holder panics");
        headers.get(name).map(|value| value.to_str().expect("text").to_owned())
    }

    /// Every span that was taken.
    pub fn spans(&self) -> Vec<Received> {
        self.kept.received.lock().expect("no holder panics").clone()
    }

    /// Those of one message, in the order in which they began.
    pub fn spans_of(&self, id: &str) -> Vec<Received> {
        let mut spans = self.spans();
        spans.retain(|received| received.attributes.get("messaging.message.id").is_some_and(|of| of == id));
        spans.sort_by_key(|received| received.span.start_time_unix_nano);
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, kept: Arc<Kept>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, kept) = (tls.clone(), Arc::clone(&kept));
        tokio::spawn(async move {
            match tls {
                None => converse(stream, kept).await,
                // A client that does not trust us ends here.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, kept).await;
                    }
                }
            }
        });
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, kept: Arc<Kept>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let kept = Arc::clone(&kept);
        async move { Ok::<_, std::convert::Infallible>(take(request, &kept).await) }
    });
    // The relay may go away at any time.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn take(request: Request<Incoming>, kept: &Kept) -> Response<Body> {
    kept.requests.fetch_add(1, Ordering::SeqCst);
    let (head, body) = request.into_parts();
    assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/v1/traces"));
    assert_eq!(head.headers["content-type"], "application/x-protobuf");
    *kept.headers.lock().expect("no holder panics") = head.headers;
    let answer = |status: u16| Response::builder().status(status).body(Body::empty()).expect("a valid answer");
    match kept.status.load(Ordering::SeqCst) {
        0 => {}
        status => return answer(status),
    }
    let body = to_bytes(Body::new(body), BODY_BYTES_MAX).await.expect("the whole body");
    let posted = ExportTraceServiceRequest::decode(body).expect("a request of OTLP");
    let mut received = kept.received.lock().expect("no holder panics");
    for of_resource in posted.resource_spans {
        let resource = of_resource.resource.map(|resource| texts(&resource.attributes)).unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            received.push(Received { attributes: texts(&span.attributes), resource: resource.clone(), span });
        }
    }
    answer(200)
}

/// Attributes as text; whether one is a string or an integer shows in its digits alone.
fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{}: {other:?}", pair.key),
    };
    attributes.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}
