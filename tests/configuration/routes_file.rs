//! Routes files that are refused: the exit code is 64, every problem is said with its line, and nothing has been connected.

use testkit::TestBed;
use testkit::program::scratch_file;

use crate::configuration::{refused, refused_unconnected};

#[tokio::test]
async fn every_problem_of_a_routes_file_is_said_together_with_its_line_and_nothing_is_connected() {
    let bed = TestBed::new("bad routes").await;
    let long = "x".repeat(256);
    let file = scratch_file(
        "routes.toml",
        &format!(
            "[[route]]\nname = \"Upper\"\nevent_type = \"a\"\n\
         [[route]]\nname = \"twice\"\nevent_type = \"b\"\nenvelop = \"raw\"\n\
         [[route]]\nname = \"twice\"\nevent_type = \"b\"\n\
         [[route]]\nname = \"words\"\nevent_type = \"c\"\nenvelope = \"xml\"\n\
         [[route]]\nname = \"field\"\nevent_type = \"c\"\nrouting_key = \"{{colour}}\"\n\
         [[route]]\nname = \"long\"\nevent_type = \"c\"\nexchange = \"{long}\"\n\
         [exchanges.\"order.events\"]\nkind = \"round\"\n"
        ),
    );
    let said = refused_unconnected(&bed, &["--routes", &file, "--batch-size", "0"]).await;
    for (line, words) in [
        (2, "'Upper' is not [a-z0-9-]"),
        (7, "unknown key `envelop`"),
        (8, "same exchange 'order.events' and routing key 'b'"),
        (9, "two routes have the name 'twice'"),
        (14, "envelope 'xml' is unknown"),
        (18, "unknown field '{colour}'"),
        (22, "exchange has 256 bytes"),
        (24, "kind 'round' is unknown"),
    ] {
        let place = format!("--routes: {file}:{line}: ");
        let found = said.lines().any(|said| said.contains(&place) && said.contains(words));
        assert!(found, "line {line}, '{words}' is missing\n{said}");
    }
    assert!(said.contains("--batch-size:"), "beside what is wrong elsewhere\n{said}");
}

#[tokio::test]
async fn files_that_say_nothing_or_cannot_be_read_are_refused_with_the_fix() {
    let bed = TestBed::new("no routes").await;
    let two_kinds = "[[route]]\nevent_type = \"a\"\nexchange = \"e\"\n[exchanges.\"e\"]\nkind = \"topic\"\n[exchanges.\"e\"]\nkind = \"direct\"\n";
    for (text, words) in [
        ("", "has no route; add a [[route]]"),
        ("[[route]]\nname = \"a\"\n", "event_type is missing"),
        ("[[route\n", "not valid TOML"),
        (two_kinds, "duplicate key: `\"e\"`"),
        ("[[route]]\nevent_type = \"a\"\n[exchanges.\"e\"]\nkind = \"topic\"\n", "no route uses it"),
    ] {
        let file = scratch_file("routes.toml", text);
        let said = refused(&bed, &["--routes", &file]).await;
        assert!(said.contains(words) && said.contains(&file), "'{words}' is missing\n{said}");
    }
    let said = refused(&bed, &["--routes", "/nowhere/routes.toml"]).await;
    assert!(said.contains("/nowhere/routes.toml: cannot be read"), "{said}");
}
