//! `EVENTS.md`: every event with its trigger, its routes and a sample, made from the catalogue and the types.
//! UPDATE_SCHEMAS=1 writes it.

mod support;

use std::fmt::Write as _;

use order_domain::event::route::EXCHANGE;
use order_domain::event::{Demand, Event, Route};
use order_domain::{EventType, received};
use support::files::compare;
use support::samples::one_of_each;

const HEAD: &str = "\
# Events of the order service

Made from the types of this crate by `UPDATE_SCHEMAS=1 cargo test -p order-domain`; a test checks that it is up to date.

Every event goes to the exchange `order.events`, once for each of its routes; a consumer binds the key of the shape that
its own document shows. The payload is the same in every envelope: `payload` in `standard` and `aggregate`, `data` in
`domain`. `schemas/` has the JSON Schema of each payload. Amounts are JSON numbers with exact decimals, times are UTC with
milliseconds. Consumers drop duplicates by the property `message_id`, and pass over fields that they do not know.

A route is *bound* where a seed document says which service binds it, *open* where it only has the name; messages that no
queue takes are an error on the former and ignored on the latter.

";

#[test]
fn the_page_is_what_the_types_say() {
    let samples = one_of_each();
    let mut page = HEAD.to_owned();
    page.push_str("| event | message type | sent when |\n|---|---|---|\n");
    for event_type in EventType::all() {
        let entry = event_type.entry();
        let message_type = entry.message_type.map_or("–".to_owned(), |(name, _)| format!("`{name}`"));
        writeln!(page, "| [`{event_type}`](#{}) | {message_type} | {} |", anchor(event_type), entry.trigger)
            .expect("text");
    }
    for event_type in EventType::all() {
        let event = samples.get(&event_type).unwrap_or_else(|| panic!("{event_type} has no sample"));
        section(&mut page, event_type, event);
    }
    compare("EVENTS.md", &page);
}

/// As GitHub makes it from the heading.
fn anchor(event_type: EventType) -> String {
    event_type.as_str().replace('.', "")
}

fn section(page: &mut String, event_type: EventType, event: &Event) {
    let entry = event_type.entry();
    write!(
        page,
        "\n## {event_type}\n\n{} Version {}, aggregate `{}`. [Schema](schemas/{event_type}.json).\n\n",
        entry.trigger,
        event_type.version(),
        event.aggregate().kind(),
    )
    .expect("text");
    page.push_str("| routing key | envelope | type | consumer |\n|---|---|---|---|\n");
    for Route { routing_key, envelope, wire_type, demand } in event_type.routes() {
        let consumer = match demand {
            Demand::Sure => "bound",
            Demand::Named => "open",
            Demand::Derived => continue,
        };
        writeln!(page, "| `{routing_key}` | {} | `{wire_type}` | {consumer} |", envelope.as_str()).expect("text");
    }
    write!(page, "\n```json\n{}\n```\n", indented(&event.payload().to_json())).expect("text");
}

/// The same JSON on several lines. Numbers keep their digits, which a JSON library's pretty printer would not promise.
fn indented(json: &str) -> String {
    let (mut out, mut depth, mut inside, mut escaped) = (String::new(), 0, false, false);
    let chars: Vec<char> = json.chars().collect();
    let newline = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    for (at, &c) in chars.iter().enumerate() {
        let is_empty = matches!((c, chars.get(at + 1)), ('[', Some(']')) | ('{', Some('}')));
        let was_empty = at > 0 && matches!((chars[at - 1], c), ('[', ']') | ('{', '}'));
        match c {
            _ if inside => {
                out.push(c);
                inside = c != '"' || escaped;
                escaped = c == '\\' && !escaped;
            }
            '{' | '[' => {
                out.push(c);
                depth += 1;
                if !is_empty {
                    newline(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                if !was_empty {
                    newline(&mut out, depth);
                }
                out.push(c);
            }
            ',' => {
                out.push(c);
                newline(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                out.push(c);
                inside = true;
            }
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

/// The samples on the page are real messages once they are in an envelope.
#[test]
fn the_samples_are_readable() {
    assert_eq!(EXCHANGE, "order.events");
    for (event_type, event) in one_of_each() {
        let text = indented(&event.payload().to_json());
        let body = format!(r#"{{"id":"1","type":"{event_type}","data":{text}}}"#);
        let read = received::parse(&body).unwrap_or_else(|e| panic!("{event_type}: {e}"));
        assert_eq!(read.payload.event_type(), event_type);
    }
}
