//! The table of a run: on the terminal, and in `docs/faults.md` between two marks; what is written by hand around them stays.
#![allow(clippy::print_stdout, reason = "the table is what the program is for")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::done::Done;
use crate::rows::row::Outcome;

const BEGIN: &str = "<!-- written by make faults -->\n";
const END: &str = "<!-- end -->\n";
const HEAD: &str = "\
| row | fault | rounds | committed | lost | out of order | duplicates | at most | recovered in (median, longest) |
|---|---|---|---|---|---|---|---|---|
";

pub fn print(done: &[Done], seed: u64, took: Duration) {
    println!("{}", table(done));
    for failed in done.iter().filter(|done| !done.held()) {
        println!("{}: {}", failed.name, why(failed));
    }
    let held = done.iter().filter(|done| done.held()).count();
    println!("SEED={seed}: {held} of {} rows held, in {} s", done.len(), took.as_secs());
}

/// One row, as it ends.
pub fn line(done: &Done) -> String {
    let word = if done.held() { "held".to_owned() } else { format!("FAILED\n{}", why(done)) };
    format!("{:>4} s  {}: {word}", done.took.as_secs(), done.name)
}

pub fn write(done: &[Done]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let text = fs::read_to_string(&path).expect("docs/faults.md is there");
    let (before, rest) = text.split_once(BEGIN).expect("docs/faults.md has the mark where the table begins");
    let (_, after) = rest.split_once(END).expect("docs/faults.md has the mark where the table ends");
    fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table(done))).expect("docs/faults.md is written");
}

fn table(done: &[Done]) -> String {
    let rows = done.iter().map(|done| {
        let cells = match &done.outcome {
            Ok(outcome) => cells(outcome),
            Err(_) => "did not end | | | | | |".to_owned(),
        };
        format!("| `{}` | {} | {cells} |\n", done.name, done.fault)
    });
    HEAD.to_owned() + &rows.collect::<String>()
}

fn cells(outcome: &Outcome) -> String {
    let Outcome { rounds, verdict, bound, .. } = outcome;
    let (committed, lost, disordered) = (verdict.committed, verdict.lost.len(), verdict.out_of_order.len());
    let recovered = recovery(outcome);
    format!("{rounds} | {committed} | {lost} | {disordered} | {} | {bound} | {recovered}", verdict.duplicates)
}

fn recovery(outcome: &Outcome) -> String {
    let mut sorted = outcome.recoveries.clone();
    sorted.sort();
    let Some(longest) = sorted.last() else { return "–".into() };
    format!("{:.1} s, {:.1} s", sorted[sorted.len() / 2].as_secs_f64(), longest.as_secs_f64())
}

fn why(done: &Done) -> String {
    match &done.outcome {
        Ok(outcome) => outcome.why(),
        Err(error) => error.clone(),
    }
}
