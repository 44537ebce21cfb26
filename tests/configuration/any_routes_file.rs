//! Routes files that a hurried hand has changed: they are refused with their lines, or what they say holds together.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Parser;
use outbox_relay::cli::{Cli, Command};
use outbox_relay::config::run::run_config;
use outbox_relay::outbox::route::RouteTable;
use proptest::prelude::*;
use proptest::sample::Index;

const SHIPPED: &str = include_str!("../../routes/order-service.toml");

/// A change to a text.
#[derive(Debug, Clone)]
enum Change {
    /// Another character there.
    Put(Index, char),
    Delete(Index, usize),
    /// A line, written once more somewhere else.
    Repeat(Index, Index),
    Drop(Index),
    Insert(Index, &'static str),
}

const LINES: [&str; 12] = [
    "[[route]]",
    "event_type = \"*\"",
    "event_type = \"order.created\"",
    "routing_key = \"{key}\"",
    "routing_key = \"{header.}\"",
    "envelope = \"raw\"",
    "exchange = \"\"",
    "headers = { CC = [\"a\"] }",
    "name = \"a\"",
    "on_unroutable = 7",
    "[exchanges.\"order.events\"]",
    "kind = \"x-\"",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), prop_oneof![any::<char>(), proptest::char::range(' ', '~')])
            .prop_map(|(at, c)| Change::Put(at, c)),
        (any::<Index>(), 1usize..30).prop_map(|(at, count)| Change::Delete(at, count)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
        any::<Index>().prop_map(Change::Drop),
        (any::<Index>(), 0usize..LINES.len()).prop_map(|(at, line)| Change::Insert(at, LINES[line])),
    ]
}

fn changed(text: &str, change: &Change) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    match change {
        Change::Put(at, c) => {
            let mut letters: Vec<char> = text.chars().collect();
            if !letters.is_empty() {
                let at = at.index(letters.len());
                letters[at] = *c;
            }
            return letters.into_iter().collect();
        }
        Change::Delete(at, count) => {
            let letters: Vec<char> = text.chars().collect();
            let from = at.index(letters.len() + 1);
            let kept = letters.iter().enumerate().filter(|(place, _)| !(from..from + count).contains(place));
            return kept.map(|(_, letter)| letter).collect();
        }
        Change::Repeat(from, to) if !lines.is_empty() => {
            let line = lines[from.index(lines.len())];
            lines.insert(to.index(lines.len() + 1), line);
        }
        Change::Drop(at) if !lines.is_empty() => {
            lines.remove(at.index(lines.len()));
        }
        Change::Repeat(..) | Change::Drop(_) => {}
        Change::Insert(at, line) => lines.insert(at.index(lines.len() + 1), line),
    }
    lines.join("\n")
}

/// The file of this test, gone when it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("outbox-relay-{name}-{}.toml", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn read(file: &Scratch, text: &str) -> Result<RouteTable, Vec<String>> {
    std::fs::write(&file.0, text).expect("the temporary folder can be written");
    let path = file.0.to_str().expect("a plain path");
    let services = ["--database-url", "postgres://u@127.0.0.1/shop", "--amqp-url", "amqp://127.0.0.1:5672/%2f"];
    let args = ["outbox-relay", "run", "--routes", path].into_iter().chain(services);
    let Command::Run(args) = Cli::try_parse_from(args).expect("the syntax is right").command else {
        panic!("asked for run");
    };
    run_config(&args).map(|config| config.routes)
}

fn assert_sound(table: &RouteTable) -> Result<(), TestCaseError> {
    let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
    for route in table.all() {
        prop_assert!(names.insert(route.name.to_string()), "two routes are called {}", route.name);
        let letters = route.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        prop_assert!(letters && (1..=40).contains(&route.name.len()), "the name {:?}", route.name);
        prop_assert!(route.exchange.len() <= 255 && route.source.len() <= 255);
        let event_type = route.event_type.as_deref().unwrap_or("*");
        let key = match &route.event_type {
            Some(event_type) => route.routing_key.for_type(event_type),
            None => route.routing_key.clone(),
        };
        let place = (event_type.to_owned(), route.exchange.to_string(), key.to_string());
        prop_assert!(places.insert(place.clone()), "two routes to {:?}", place);
    }
    prop_assert!(!names.is_empty(), "no route at all");
    Ok(())
}

#[test]
fn the_shipped_file_is_what_the_changes_begin_with() {
    let file = Scratch::new("routes-shipped");
    let table = read(&file, SHIPPED).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(table.all().count() > 5);
}

#[test]
fn a_changed_routes_file_is_refused_with_its_lines_or_holds_together() {
    let file = Scratch::new("routes-changed");
    let config = ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let changes = proptest::collection::vec(change(), 1..6);
    let tried = runner.run(&changes, |changes| {
        let text = changes.iter().fold(SHIPPED.to_owned(), |text, change| changed(&text, change));
        match read(&file, &text) {
            Ok(table) => assert_sound(&table)?,
            Err(problems) => {
                let with_line = |problem: &String| problem.starts_with("--routes:") && problem.contains(".toml:");
                prop_assert!(!problems.is_empty() && problems.iter().all(with_line), "{:#?}", problems);
            }
        }
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}
