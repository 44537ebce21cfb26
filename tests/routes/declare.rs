//! `--declare` declares the exchanges of the routes, each with its kind, and nothing else; the metrics say which file is in use.

use testkit::patience::SOON;
use testkit::{Relay, Topology, eventually};

use crate::routes::stand::{routes_file, stand};

#[tokio::test]
async fn declare_makes_every_exchange_of_the_routes_with_its_kind_and_no_other() {
    let nothing = Topology { exchange: "unrelated".into(), ..Topology::order_events([]) };
    let world = stand("declare", &nothing).await;
    let routes = routes_file(
        "[[route]]\nevent_type = \"a\"\nexchange = \"shop.direct\"\n[[route]]\nevent_type = \"b\"\nexchange = \"shop.fanout\"\n\
         [[route]]\nevent_type = \"c\"\nexchange = \"shop.topic\"\n[[route]]\nevent_type = \"d\"\nexchange = \"\"\n\
         [exchanges.\"shop.direct\"]\nkind = \"direct\"\n[exchanges.\"shop.fanout\"]\nkind = \"fanout\"\n",
    );
    let relay = Relay::start(&world.bed, &["--routes", &routes, "--declare"]).await;
    let vhost = world.bed.vhost();
    let made = async || {
        let exchanges = world.bed.management().exchanges(vhost).await;
        exchanges
            .into_iter()
            .filter(|(name, _)| name.starts_with("shop.") || name == "order.events")
            .collect::<Vec<_>>()
    };
    let kinds = [("shop.direct", "direct"), ("shop.fanout", "fanout"), ("shop.topic", "topic")];
    let expected = kinds.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    eventually(SOON, "the exchanges are there", async || made().await == expected).await;
    assert!(!relay.log().contains("cannot declare the exchange"), "{}", relay.log());
    let page = relay.get("/metrics").await.body;
    let sha = std::process::Command::new("sha256sum").arg(&routes).output().expect("sha256sum runs").stdout;
    let sha = String::from_utf8_lossy(&sha[..12]).into_owned();
    assert!(page.contains(&format!("outbox_config_info{{routes_sha=\"{sha}\"}} 1")), "{page}");
    for series in [
        "outbox_published_total{event_type=\"a\",route=\"a-shop-direct-event-type\"} 0",
        "outbox_route_held{route=\"d-event-type\"} 0",
    ] {
        assert!(page.contains(series), "{series} is missing\n{page}");
    }
}
