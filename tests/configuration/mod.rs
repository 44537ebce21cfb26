//! Wrong configurations: flags, variables, URLs and routes files, as cases and as properties. Whatever is wrong is said together, each
//! problem by its name or its line, with exit code 64; nothing has been connected by then.

mod any_routes_file;
mod any_secret;
mod any_value;
mod routes_file;
mod values;
mod variables;

use testkit::patience::STOPPED;
use testkit::urls::{addr_of, with_addr};
use testkit::{Proxy, Relay, TestBed};

/// Runs a relay with these flags, which must be refused; returns what it said.
async fn refused(bed: &TestBed, args: &[&str]) -> String {
    let mut relay = Relay::spawn(bed, args);
    let status = relay.wait_exit(STOPPED).await;
    let said = relay.log();
    assert_eq!(status.code(), Some(64), "{args:?}: {said}");
    said
}

/// The same, and neither service has seen it.
async fn refused_unconnected(bed: &TestBed, args: &[&str]) -> String {
    let database = Proxy::start(addr_of(&bed.database_url())).await;
    let broker = Proxy::start(addr_of(&bed.amqp_url())).await;
    let database_url = with_addr(&bed.database_url(), database.addr());
    let amqp_url = with_addr(&bed.amqp_url(), broker.addr());
    let said = refused(bed, &[&["--database-url", &database_url, "--amqp-url", &amqp_url], args].concat()).await;
    assert_eq!((database.accepted(), broker.accepted()), (0, 0), "nothing was connected");
    said
}
