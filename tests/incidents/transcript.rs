//! What a person types and what comes back: runs commands of `outbox-relay`, keeps their words with everything that differs from run to run
//! replaced, and compares the whole with the fenced blocks of one section of `docs/incidents.md`, or writes them there (`UPDATE_DOCS=1`).

use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::Value;
use testkit::TestBed;
use testkit::command::Command;

use crate::incidents::stable::Stable;

const DOCUMENT: &str = "docs/incidents.md";
const FENCE: &str = "```";

/// These tests run side by side, and each writes its own section.
static WRITING: Mutex<()> = Mutex::new(());

pub struct Transcript {
    database_url: String,
    amqp_url: String,
    stable: Stable,
    blocks: Vec<String>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    code: Option<i32>,
    shown: String,
}

impl Ended {
    /// Panics unless it ended with this code.
    pub fn with_code(self, code: i32) {
        assert_eq!(self.code, Some(code), "{}", self.shown);
    }
}

impl Transcript {
    pub fn new(bed: &TestBed) -> Self {
        let stable = Stable::new(bed.name());
        Self { database_url: bed.database_url(), amqp_url: bed.amqp_url(), stable, blocks: Vec::new() }
    }

    /// Runs it and keeps what was seen, in the order a terminal shows it.
    pub async fn run(&mut self, args: &[&str]) -> Ended {
        // One pipe for both, so that the words come in the order they were said.
        let ended = self.command(args).in_shell("exec \"$0\" \"$@\" 2>&1").run().await;
        let (code, said) = (ended.code, ended.stdout);
        let quoted = args.iter().map(|arg| if arg.contains(' ') { format!("\"{arg}\"") } else { (*arg).to_owned() });
        let mut shown = format!("$ outbox-relay {}\n{said}", quoted.collect::<Vec<_>>().join(" "));
        if code != Some(0) {
            shown.push_str(&format!("$ echo $?\n{}\n", code.map_or("killed".into(), |code| code.to_string())));
        }
        self.blocks.push(self.stable.text(&shown));
        Ended { code, shown }
    }

    /// The JSON document of a command, which is not part of the transcript.
    pub async fn ask_json(&self, args: &[&str]) -> Value {
        self.command(&[args, &["--json"]].concat()).run().await.json()
    }

    /// The addresses as in the relay's own container; only `check` looks at the broker's.
    fn command(&self, args: &[&str]) -> Command {
        let command = Command::new(args).env("OUTBOX_DATABASE_URL", &self.database_url);
        command.env("OUTBOX_AMQP_URL", &self.amqp_url)
    }

    /// Panics unless the blocks of the section whose heading starts so are this transcript.
    pub fn must_be_told_in(self, heading: &str) {
        let _only_one = WRITING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
        let there = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{DOCUMENT}: {error}"));
        let told = with_blocks(&there, heading, &self.blocks);
        if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
            std::fs::write(&path, told).unwrap_or_else(|error| panic!("{DOCUMENT}: {error}"));
            return;
        }
        let differing = there.lines().zip(told.lines()).find(|(left, right)| left != right);
        assert!(
            there == told,
            "{DOCUMENT} is not what the commands say. This fixes it: UPDATE_DOCS=1 dev/with-services docs -- cargo test --test suite incidents::\n\
             first difference: {differing:#?}"
        );
    }
}

/// The document with these blocks in the place of the section's own.
fn with_blocks(document: &str, heading: &str, blocks: &[String]) -> String {
    let (mut text, mut is_here, mut is_inside) = (String::new(), false, false);
    let mut blocks = blocks.iter();
    for line in document.lines() {
        let is_fence = line.starts_with(FENCE);
        if !is_inside && line.starts_with("## ") {
            is_here = line.trim_start_matches("## ").starts_with(heading);
        }
        if is_fence {
            is_inside = !is_inside;
        }
        if is_here && is_inside && !is_fence {
            continue;
        }
        text.push_str(line);
        text.push('\n');
        if is_here && is_inside && is_fence {
            let block = blocks.next();
            text.push_str(block.unwrap_or_else(|| panic!("{DOCUMENT} has more blocks in '{heading}' than were typed")));
        }
    }
    assert_eq!(blocks.len(), 0, "{DOCUMENT} has fewer blocks in '{heading}' than were typed");
    text
}
