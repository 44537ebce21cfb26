//! The admin port under clients that are slow, many, huge or wrong: each is refused or cut off, and a scrape is answered all the while.
//! No service is needed; the relay has none.

use std::time::{Duration, Instant};

use testkit::process::free_port;
use testkit::{Relay, TestBed};
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::surface::raw_http::{connect, request, rest, send, status};

const IDLE: usize = 1_000;
/// A head that is not there after this long is not waited for.
/// Far less than the body would take.
const PROMPT: Duration = Duration::from_secs(20);
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
async fn relay(name: &str) -> (TestBed, Relay) {
    let bed = TestBed::new(name).await;
    let nobody = format!("postgres://nobody@127.0.0.1:{}/none", free_port());
    let relay = Relay::start(&bed, &["--database-url", &nobody]).await;
    (bed, relay)
}

/// A scrape, in the time that Prometheus gives by default.
async fn assert_scraped(relay: &Relay) {
    let started = Instant::now();
    let page = relay.get("/metrics").await;
    assert!(page.status == 200 && page.body.contains("outbox_build_info"), "{}", page.body);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_thousand_idle_connections_keep_no_scrape_waiting() {
    let (_bed, relay) = relay("idle connections").await;
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(connect(relay.admin()).await);
    }
    assert_scraped(&relay).await;
    assert_eq!(relay.get("/livez").await.status, 200);
    let open = std::fs::read_dir(format!("/proc/{}/fd", relay.pid())).expect("the relay lives").count();
    assert!(open < 200, "{open} descriptors");
    drop(idle);
}

#[tokio::test]
async fn who_sends_a_head_byte_by_byte_is_cut_off_and_keeps_nobody_waiting() {
    let (_bed, relay) = relay("dribbling").await;
    let started = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..100 {
        slow.push(connect(relay.admin()).await);
    }
    let text = request("GET", "/metrics", &[("X-Padding", &"x".repeat(1_000))]);
    for byte in text.as_bytes() {
        for stream in &mut slow {
            stream.write_all(&[*byte]).await.ok();
        }
        assert_scraped(&relay).await;
        // The fault: a byte now and then.
        sleep(Duration::from_millis(200)).await;
        if started.elapsed() > HEAD_TIMEOUT * 2 {
            break;
        }
    }
    let dribbled = Instant::now();
    for stream in &mut slow {
        let answer = rest(stream).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    assert!(dribbled.elapsed() < Duration::from_secs(3), "all had been cut off: {:?}", dribbled.elapsed());
}

#[tokio::test]
async fn a_huge_head_is_431_and_a_huge_body_413() {
    let (_bed, relay) = relay("huge").await;
    for text in [
        request("GET", "/metrics", &[("X-Huge", &"x".repeat(64 << 10))]),
        request("GET", "/metrics", &vec![("X-Many", "x"); 5_000]),
    ] {
        let answer = send(relay.admin(), &text).await;
        // Closed with some of it unread, the connection may lose the answer; never is the request served.
        assert!(matches!(status(&answer), 431 | 0), "{answer}");
    }
    let exact = request("GET", "/livez", &[("X-Large", &"x".repeat(12 << 10))]);
    assert_eq!(status(&send(relay.admin(), &exact).await), 200, "12 KiB are nothing unusual behind a proxy");
    let before = relay.rss_max_kib();
    let length = (1_u64 << 40).to_string();
    assert_eq!(status(&send(relay.admin(), &request("POST", "/wake", &[("Content-Length", &length)])).await), 413);
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let endless = request("POST", "/wake", &[("Transfer-Encoding", "chunked")]) + &chunk.repeat(4_000);
    assert!(matches!(status(&send(relay.admin(), &endless).await), 413 | 0));
    assert!(relay.rss_max_kib() < before + 20_000, "{before} KiB before, {} after", relay.rss_max_kib());
    assert_scraped(&relay).await;
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let (_bed, relay) = relay("body").await;
    let started = Instant::now();
    let answer = send(relay.admin(), &request("POST", "/wake", &[("Content-Length", "10")])).await;
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(started.elapsed() < PROMPT);
    assert!(relay.metric_where("outbox_wakeups_total", "poke").await < 0.5);
}

#[tokio::test]
async fn unknown_pages_are_404_and_wrong_methods_405() {
    let (_bed, relay) = relay("wrong pages").await;
    for path in ["/", "/favicon.ico", "/metrics/", "/../etc/passwd", "/debug/pprof"] {
        assert_eq!(relay.get(path).await.status, 404, "{path}");
    }
    for (method, path) in
        [("GET", "/wake"), ("POST", "/metrics"), ("DELETE", "/status"), ("PUT", "/livez"), ("POST", "/readyz")]
    {
        assert_eq!(status(&send(relay.admin(), &request(method, path, &[])).await), 405, "{method} {path}");
    }
    for text in [
        "\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\u{1}\u{2}\u{3}\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        assert!(matches!(status(&send(relay.admin(), text).await), 400 | 0), "{text:?}");
    }
    assert_scraped(&relay).await;
}

#[tokio::test]
async fn a_name_that_somebody_can_own_is_not_the_relays() {
    let (_bed, relay) = relay("host names").await;
    let asked = async |host: &str| {
        let text = format!("GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        status(&send(relay.admin(), &text).await)
    };
    for host in ["localhost", "relay:9632", "10.1.2.3:9632", "outbox-relay.shop.svc.cluster.local"] {
        assert_eq!(asked(host).await, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example:9632"] {
        assert_eq!(asked(host).await, 421, "{host}");
    }
}
