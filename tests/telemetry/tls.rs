//! A collector behind https: trusted by the file that names its authority, and otherwise not at all.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use testkit::certificates::{Authority, Files, Issued};
use testkit::patience::SOON;
use testkit::{World, eventually};
use tokio_rustls::TlsAcceptor;

use crate::collector::Collector;
use crate::{lines_with, relay};

fn acceptor(issued: &Issued) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(issued.cert.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let config = builder.with_no_client_auth().with_single_cert(chain, key).expect("they go together");
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn https_is_verified() {
    let mut world = World::open("collector tls").await;
    let (authority, files) = (Authority::new("private authority"), Files::new());
    let ca = files.write("ca.pem", &authority.pem);
    let collector = Collector::start_with(Some(acceptor(&authority.server(&["localhost"])))).await;
    let url = format!("https://localhost:{}", collector.addr.port());
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str());

    let mut distrustful = relay(&world.bed, &[endpoint], &[]).await;
    world.order(1, 1).await;
    let words = "the collector does not accept them";
    eventually(SOON, "the failure is said", async || !lines_with(&distrustful, words).is_empty()).await;
    assert!(lines_with(&distrustful, words)[0].contains("UnknownIssuer"), "{}", distrustful.log());
    assert_eq!(distrustful.stop(SOON).await.code(), Some(0));
    assert_eq!(collector.requests(), 0);

    let mut trusting = relay(&world.bed, &[endpoint, ("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca)], &[]).await;
    world.order(1, 1).await;
    eventually(SOON, "its span has arrived", async || !collector.spans().is_empty()).await;
    world.quiet().await;
    assert_eq!(trusting.stop(SOON).await.code(), Some(0));
}
