//! Every kind of mistake in a routes file is found, all together, with its line and its fix; and the shipped file is sound.

use super::*;
use crate::outbox::carried::Carried;
use crate::outbox::labels::Envelope;

fn defaults() -> Defaults<'static> {
    Defaults { exchange: "order.events", source: "order-service", carried: Carried::default() }
}

fn problems(text: &str) -> Vec<(usize, String)> {
    parse(text, &defaults()).expect_err("nothing of it is right")
}

/// The file has one problem, on this line, with these words.
fn assert_problem(text: &str, line: usize, words: &[&str]) {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    assert_eq!(found[0].0, line, "{text}\n{found:#?}");
    for word in words {
        assert!(found[0].1.contains(word), "'{word}' is missing in '{}'", found[0].1);
    }
}

fn table(text: &str) -> RouteTable {
    parse(text, &defaults()).unwrap_or_else(|problems| panic!("{problems:#?}")).table
}

#[test]
fn a_route_that_says_only_its_type_has_the_documented_defaults() {
    let table = table("[[route]]\nevent_type = \"order.paid\"\n");
    let route = table.all().next().expect("one route");
    assert_eq!((&*route.name, &*route.exchange), ("order-paid-order-events-event-type", "order.events"));
    assert_eq!((route.routing_key.to_string().as_str(), &*route.source), ("{event_type}", "order-service"));
    assert_eq!((route.envelope, route.on_unroutable.as_str()), (Envelope::Standard, "dead_letter"));
    assert_eq!((&route.message_type, &route.version, route.headers.len()), (&None, &None, 0));
    assert_eq!(table.sha().len(), 12);
}

#[test]
fn a_star_takes_the_types_that_no_other_route_names() {
    let table = table("[[route]]\nevent_type = \"*\"\nname = \"rest\"\n[[route]]\nevent_type = \"a\"\nname = \"a\"\n");
    let names = |of| table.routes_for(of).iter().map(|route| route.name.to_string()).collect::<Vec<_>>();
    assert_eq!((names("a"), names("b")), (vec!["a".to_owned()], vec!["rest".to_owned()]));
    assert_eq!(table.series().collect::<Vec<_>>(), [("_other", "rest"), ("a", "a")]);
}

#[test]
fn the_file_identifies_itself_and_no_file_is_none() {
    let one = table("[[route]]\nevent_type = \"a\"\n");
    assert_eq!(one.sha(), table("[[route]]\nevent_type = \"a\"\n").sha());
    assert_ne!(one.sha(), table("[[route]]\nevent_type = \"b\"\n").sha());
    assert_eq!(RouteTable::single("e", "s").sha(), "none");
}

#[test]
fn unknown_keys_and_values_of_a_wrong_type_are_found_all_of_them() {
    let found = problems(
        "colour = 1\n[[route]]\nevent_type = \"a\"\nenvelop = \"raw\"\nexchange = 7\nkey = \"x\"\n\n[exchanges.\"e\"]\nkind = \"topic\"\ndurable = true\n",
    );
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 4, 5, 6, 10], "{found:#?}");
    for (problem, words) in
        found.iter().zip(["colour", "unknown key `envelop`", "expected a string", "`key`", "`durable`"])
    {
        assert!(problem.1.contains(words), "'{words}' is missing in '{}'", problem.1);
    }
    assert!(found[1].1.contains("`envelope`"), "the keys that there are: {}", found[1].1);
}

#[test]
fn every_wrong_value_is_named_with_its_line_its_route_and_its_fix() {
    let long = "x".repeat(256);
    let route = |line: &str| format!("[[route]]\nname = \"a\"\nevent_type = \"t\"\n{line}\n");
    for (line, words) in [
        (
            "envelope = \"Standard\"",
            &[
                "route 'a'",
                "'Standard' is unknown",
                "standard, domain, aggregate, cloudevents, cloudevents-binary, raw",
            ][..],
        ),
        ("on_unroutable = \"drop\"", &["'drop' is unknown", "dead_letter, hold, ignore"]),
        ("routing_key = \"{colour}\"", &["{colour}", "{aggregate_id}"]),
        ("routing_key = \"{key\"", &["without its '}'"]),
        ("routing_key = \"{header.x-death}\"", &["'x-death'", "reserved"]),
        (&format!("routing_key = \"{long}\""), &["256 bytes"]),
        (&format!("exchange = \"{long}\""), &["256 bytes"]),
        (&format!("type = \"{long}\""), &["type has 256 bytes"]),
        (&format!("version = \"{long}\""), &["256 bytes"]),
        (&format!("source = \"{long}\""), &["256 bytes"]),
        ("source = \"\"", &["source is empty"]),
        ("type = \"a\\u0000b\"", &["NUL"]),
        ("headers = { CC = \"a\" }", &["'CC' is reserved"]),
        ("headers = { x-outbox-key = \"a\" }", &["'x-outbox-key' is reserved"]),
        ("headers = { x-team = [1] }", &["'x-team' must be a string, a finite number or a boolean"]),
        ("headers = { x-at = 2026-11-21 }", &["'x-at' must be a string, a finite number or a boolean"]),
        ("headers = { x-ratio = nan }", &["'x-ratio' must be a string, a finite number or a boolean"]),
        (&format!("headers = {{ x-team = \"{}\" }}", "y".repeat(20_000)), &["headers have 20"]),
        ("envelope = \"cloudevents\"\nsource = \"order service\"", &["not a URI reference", "/order-service"]),
    ] {
        let at = if line.contains('\n') { 5 } else { 4 };
        assert_problem(&route(line), at, words);
    }
}

#[test]
fn names_that_are_wrong_or_taken_are_found() {
    let long = "x".repeat(41);
    for name in ["Order", "a_b", "", long.as_str()] {
        assert_problem(&format!("[[route]]\nname = \"{name}\"\nevent_type = \"t\"\n"), 2, &["lower-case letters"]);
    }
    let twice = "[[route]]\nname = \"a\"\nevent_type = \"t\"\n[[route]]\nname = \"a\"\nevent_type = \"u\"\n";
    assert_problem(twice, 5, &["two routes have the name 'a'", "'t'", "'u'"]);
}

#[test]
fn a_route_without_a_type_and_a_file_without_a_route_are_found() {
    assert_problem("[[route]]\nname = \"a\"\n", 1, &["event_type is missing"]);
    assert_problem("", 1, &["no route", "[[route]]"]);
    assert_problem("[route]\nevent_type = \"a\"\n", 1, &["[[route]]"]);
    assert_problem(
        "[exchanges.\"\"]\nkind = \"topic\"\n[[route]]\nevent_type = \"a\"\nexchange = \"\"\n",
        1,
        &["default exchange"],
    );
}

#[test]
fn two_routes_of_a_type_to_one_place_are_found_however_their_key_is_written() {
    let two = |one: &str, other: &str| {
        let route = |name, key| format!("[[route]]\nname = \"{name}\"\nevent_type = \"t\"\nrouting_key = \"{key}\"\n");
        route("a", one) + &route("b", other)
    };
    assert_problem(&two("k", "k"), 5, &["'a' and 'b'", "same exchange 'order.events' and routing key 'k'"]);
    assert_problem(&two("{event_type}", "t"), 5, &["'a' and 'b'"]);
    assert_eq!(table(&two("{key}", "{aggregate_id}")).all().count(), 2, "they differ for some events");
}

#[test]
fn exchanges_have_one_kind_and_are_used() {
    let route = "[[route]]\nevent_type = \"a\"\nexchange = \"e\"\n";
    let twice = format!("{route}[exchanges.\"e\"]\nkind = \"topic\"\n[exchanges.\"e\"]\nkind = \"direct\"\n");
    assert_eq!(problems(&twice)[0], (6, "not valid TOML: duplicate key: `\"e\"`".to_owned()));
    assert_problem(&format!("{route}[exchanges.\"e\"]\nkind = \"top\"\n"), 5, &["'top' is unknown", "direct, topic"]);
    assert_problem(&format!("{route}[exchanges.\"e\"]\n"), 4, &["kind is missing"]);
    assert_problem(&format!("{route}[exchanges.\"E\"]\nkind = \"topic\"\n"), 4, &["'E'", "no route uses it"]);
}

#[test]
fn more_routes_than_the_limits_are_found() {
    let of_type = |n: usize| format!("[[route]]\nname = \"r{n}\"\nevent_type = \"t\"\nrouting_key = \"k{n}\"\n");
    let file: String = (0..=ROUTES_OF_TYPE_MAX).map(of_type).collect();
    assert_problem(&file, ROUTES_OF_TYPE_MAX * 4 + 1, &["more than 32 routes of 't'"]);
    let file: String = (0..=ROUTES_MAX).map(|n| format!("[[route]]\nevent_type = \"t{n}\"\n")).collect();
    assert_problem(&file, ROUTES_MAX * 2 + 1, &["more than 1000 routes"]);
}

#[test]
fn what_is_no_toml_is_said_with_its_line() {
    let found = problems("[[route]]\nevent_type = \n");
    assert!(found.iter().all(|(line, problem)| *line == 2 && problem.starts_with("not valid TOML: ")), "{found:#?}");
}

#[test]
fn exchanges_to_declare_are_those_of_the_routes_each_once() {
    let file = "[exchanges.\"a\"]\nkind = \"x-consistent-hash\"\n[[route]]\nevent_type = \"t\"\nexchange = \"a\"\n[[route]]\nevent_type = \"u\"\nexchange = \"a\"\n[[route]]\nevent_type = \"v\"\n[[route]]\nevent_type = \"w\"\nexchange = \"\"\n";
    let exchanges = parse(file, &defaults()).expect("valid").declared.exchanges;
    let seen: Vec<_> = exchanges.iter().map(|exchange| (exchange.name.as_str(), exchange.kind.clone())).collect();
    assert_eq!(seen, [("a", ExchangeKind::Custom("x-consistent-hash".into())), ("order.events", ExchangeKind::Topic)]);
}

#[test]
fn the_shipped_routes_of_the_order_service_are_sound() {
    let routes = parse(include_str!("../../../routes/order-service.toml"), &defaults());
    let routes = routes.unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(routes.declared.exchanges.iter().all(|exchange| exchange.kind == ExchangeKind::Direct));
    let table = &routes.table;
    let keys = |event_type| -> Vec<String> {
        let key = |route: &Arc<Route>| route.routing_key.for_type(event_type).to_string();
        table.routes_for(event_type).iter().map(key).collect()
    };
    assert_eq!(keys("order.created"), ["order.created", "OrderCreatedEvent", "OrderCreated"]);
    assert_eq!(keys("order.created_for_inventory"), ["order.ordercreated.order"]);
    assert_eq!(keys("notification.send_requested"), ["notification.send_requested"]);
    let reports: Vec<&str> =
        table.all().filter(|route| route.on_unroutable.as_str() == "dead_letter").map(|route| &*route.name).collect();
    assert_eq!(reports.len(), 9 + 4 + 3 + 2, "the consumers that the documents name: {reports:#?}");
    assert!(table.all().all(|route| (route.envelope == Envelope::Standard) == (&*route.source == "OrderService")));
}

#[test]
fn partitions_spread_over_queues_that_are_declared() {
    let file = "[[route]]\nevent_type = \"order.paid\"\nexchange = \"e\"\nrouting_key = \"{event_type}.{partition}\"\npartitions = 3\nqueue = \"paid.{partition}\"\n";
    let routes = parse(file, &defaults()).expect("valid");
    let queues: Vec<_> = routes.declared.queues.iter().map(|queue| (&*queue.name, &*queue.routing_key)).collect();
    assert_eq!(queues, [("paid.0", "order.paid.0"), ("paid.1", "order.paid.1"), ("paid.2", "order.paid.2")]);
    let route = "[[route]]\nevent_type = \"a\"\n";
    for (keys, line, words) in [
        ("routing_key = \"{partition}\"\n", 3, ["partitions = N", "{partition}"]),
        ("partitions = 0\nrouting_key = \"{partition}\"\n", 3, ["1 to 1024", "got 0"]),
        ("partitions = 1025\nrouting_key = \"{partition}\"\n", 3, ["1 to 1024", "got 1025"]),
        ("partitions = 2\n", 1, ["{partition}", "routing_key"]),
        ("queue = \"q.{partition}\"\n", 3, ["partitions = N", "queue"]),
        (
            "partitions = 2\nrouting_key = \"{key}.{partition}\"\nqueue = \"q.{partition}\"\n",
            5,
            ["{partition} alone", "queue"],
        ),
        ("partitions = 2\nrouting_key = \"{partition}\"\nqueue = \"q\"\n", 5, ["'q'", "{partition}"]),
    ] {
        assert_problem(&format!("{route}{keys}"), line, &words);
    }
}

#[test]
fn a_header_may_have_fields_and_a_route_its_own_content_type() {
    let file = "[[route]]\nevent_type = \"*\"\ncontent_type = \"application/json\"\nenvelope = \"cloudevents\"\nsource = \"/shop\"\nheaders = { __TypeId__ = \"{event_type}\", x-tier = 2 }\n";
    let routes = parse(file, &defaults()).expect("valid");
    let route = routes.table.all().next().expect("a route");
    let event = crate::outbox::fixtures::event("order-1", 1);
    assert_eq!(&*route.labels(&event).content_type, "application/json");
    let headers = route.headers_over(&event, &serde_json::Map::new()).expect("headers");
    assert_eq!((&headers["__TypeId__"], &headers["x-tier"]), (&"order.created".into(), &2.into()));
    let wrong = "[[route]]\nevent_type = \"a\"\nheaders = { x = \"{colour}\" }\n";
    assert_problem(wrong, 3, &["'x'", "{colour}"]);
}

#[test]
fn an_exchange_that_returns_every_message_is_only_for_routes_that_ignore_it() {
    let file = |on_unroutable: &str| {
        format!(
            "[[route]]\nname = \"later\"\nevent_type = \"a\"\nexchange = \"delayed\"\n{on_unroutable}\n\
             [exchanges.\"delayed\"]\nkind = \"x-delayed-message\"\n"
        )
    };
    let words = ["'later'", "x-delayed-message", "returns every message", "on_unroutable = \"ignore\""];
    for charged in ["", "on_unroutable = \"dead_letter\"", "on_unroutable = \"hold\""] {
        assert_problem(&file(charged), 1, &words);
    }
    assert!(table(&file("on_unroutable = \"ignore\"")).has_name("later"));
}
