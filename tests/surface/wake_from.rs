//! Who may wake the relay: this host, by the connection's address and nothing that a client writes; never a web page.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use testkit::process::free_port;
use testkit::{Relay, TestBed};

use crate::surface::raw_http::{request, send, status};

/// An address of this machine that is not loopback; no packet is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// A relay whose admin port listens on every address, and where that is from afar.
async fn everywhere(bed: &TestBed, address: IpAddr, args: &[&str]) -> (Relay, SocketAddr) {
    let port = free_port();
    let listen = format!("0.0.0.0:{port}");
    let mut relay = Relay::spawn(bed, &[&["--admin-addr", &listen], args].concat());
    relay.answers_at(SocketAddr::from(([127, 0, 0, 1], port))).await;
    (relay, SocketAddr::new(address, port))
}

async fn pokes(relay: &Relay) -> f64 {
    relay.metric_where("outbox_wakeups_total", "cause=\"poke\"").await
}

#[tokio::test]
async fn from_another_address_nobody_wakes_the_relay_whatever_the_headers_say() {
    let Some(address) = own_address() else {
        eprintln!("SKIPPED: this machine has no address but loopback");
        return;
    };
    let bed = TestBed::new("wake from afar").await;
    let (relay, afar) = everywhere(&bed, address, &[]).await;
    assert_eq!(status(&send(afar, &request("GET", "/livez", &[])).await), 200, "the others can be read from there");
    for headers in [
        &[][..],
        &[("X-Forwarded-For", "127.0.0.1")],
        &[("Forwarded", "for=127.0.0.1"), ("X-Real-IP", "127.0.0.1"), ("Host", "localhost")],
    ] {
        let answer = send(afar, &request("POST", "/wake", headers)).await;
        assert_eq!(status(&answer), 403, "{headers:?}: {answer}");
        assert!(answer.contains("--wake-from"), "the fix is said: {answer}");
    }
    assert!(pokes(&relay).await < 0.5);
    drop(relay);

    let (_relay, afar) = everywhere(&bed, address, &["--wake-from", "any"]).await;
    assert_eq!(status(&send(afar, &request("POST", "/wake", &[])).await), 204);
}

#[tokio::test]
async fn a_web_page_on_this_host_wakes_nobody() {
    let bed = TestBed::new("web page").await;
    let relay = Relay::start(&bed, &[]).await;
    for headers in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-origin"),
    ] {
        assert_eq!(status(&send(relay.admin(), &request("POST", "/wake", &[headers])).await), 403, "{headers:?}");
    }
    assert!(pokes(&relay).await < 0.5);
    assert_eq!(status(&send(relay.admin(), &request("POST", "/wake", &[("User-Agent", "curl/8.0")])).await), 204);
}
