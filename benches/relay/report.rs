//! The outcome for people and for programs: `docs/performance.md` around its generated part, the plot, and the raw figures as JSON.
//!
//! Called by `main` at the end. A run of some of the cases writes only the JSON: the document shows whole runs.

use std::fmt::Write;

use serde::Serialize;

use crate::cases::CASES;
use crate::failure::{Doing, Failure};
use crate::figures::{Figure, Target};
use crate::machine::{self, Machine};
use crate::plot;
use crate::relay::FOLDER;
use crate::settings::{Scale, Settings};

const DOCUMENT: &str = "docs/performance.md";
const PLOT: &str = "docs/performance.svg";
const BEGIN: &str = "<!-- figures: written by make bench -->\n";
const END: &str = "<!-- end of figures -->\n";

#[derive(Serialize)]
struct Results<'a> {
    machine: &'a Machine,
    scale: String,
    rounds: u32,
    figures: &'a [Figure],
}

pub async fn write(settings: &Settings, figures: &[Figure]) -> Result<(), Failure> {
    let machine = machine::look(settings).await?;
    let scale = match settings.scale {
        Scale::Full => "full".to_owned(),
        Scale::Times(times) => times.to_string(),
    };
    let results = Results { machine: &machine, scale: scale.clone(), rounds: settings.rounds, figures };
    let path = format!("{FOLDER}/results.json");
    let json = serde_json::to_string_pretty(&results).doing("writing the figures as JSON")?;
    std::fs::write(&path, json + "\n").doing(&format!("writing {path}"))?;
    println!("\n{path}");
    if settings.cases.iter().any(|case| case == "all") {
        let text = std::fs::read_to_string(DOCUMENT).doing(&format!("reading {DOCUMENT}"))?;
        let text = with_figures(&text, &document(&machine, &scale, figures))?;
        std::fs::write(DOCUMENT, text).doing(&format!("writing {DOCUMENT}"))?;
        std::fs::write(PLOT, plot::svg(figures)).doing(&format!("writing {PLOT}"))?;
        println!("{DOCUMENT}\n{PLOT}");
    }
    Ok(())
}

/// The document with another generated part.
fn with_figures(text: &str, figures: &str) -> Result<String, Failure> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| Failure::new(format!("{DOCUMENT} lacks the lines around the figures: {BEGIN}{END}")))?;
    Ok(format!("{before}{BEGIN}{figures}{END}{after}"))
}

/// One figure as a line of the terminal.
pub fn line(figure: &Figure) -> String {
    let (min, median, max) = (number(figure.min()), number(figure.median()), number(figure.max()));
    let values = if figure.values.len() > 1 { format!("{median} ({min} to {max})") } else { median };
    format!("{}: {values} {}{}", figure.what, figure.unit, target(figure, "; target "))
}

fn target(figure: &Figure, before: &str) -> String {
    let bound = match figure.target {
        Some(Target::AtLeast(bound)) => format!("at least {bound}"),
        Some(Target::AtMost(bound)) => format!("at most {bound}"),
        None => return String::new(),
    };
    let kept = if figure.is_kept() == Some(true) { "kept" } else { "**missed**" };
    format!("{before}{bound}: {kept}")
}

fn document(machine: &Machine, scale: &str, figures: &[Figure]) -> String {
    let Machine { processor, cores, memory_gib, postgresql, commit, date, load } = machine;
    let mut text = format!(
        "\n{date}, commit `{commit}`, scale {scale}; {processor}, {cores} cores, {memory_gib} GiB, PostgreSQL {postgresql}, load {load} at the end.\n\n\
         | case | what | min | median | max | unit | target |\n|---|---|---|---|---|---|---|\n"
    );
    for case in CASES {
        for figure in figures.iter().filter(|figure| figure.case == case.name) {
            let (min, median, max) = (number(figure.min()), number(figure.median()), number(figure.max()));
            let (what, unit, target) = (&figure.what, figure.unit, target(figure, ""));
            let _never_fails =
                writeln!(text, "| {} | {what} | {min} | {median} | {max} | {unit} | {target} |", case.name);
        }
    }
    text + "\n![drain and latency](performance.svg)\n\n"
}

/// Three digits that matter, and no more decimals than they need.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
