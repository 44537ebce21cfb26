//! A finding of `check`, and how findings are printed.

use std::fmt::Write as _;

use serde::Serialize;

use crate::commands::print::clean;
use crate::commands::print::fit::{Tone, toned};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// Arguments and files.
    Configuration,
    /// PostgreSQL and the outbox tables.
    Database,
    /// RabbitMQ.
    Broker,
    /// Where events go.
    Routes,
}

impl Area {
    fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Database => "database",
            Self::Broker => "broker",
            Self::Routes => "routes",
        }
    }
}

/// The result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Good.
    Ok,
    /// The relay works, but somebody should look at it.
    Warn,
    /// The relay would not work.
    Fail,
    /// Not checked.
    Skip,
}

impl Verdict {
    /// Every verdict, for docs and tests.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Warn, Self::Fail, Self::Skip];

    /// The text for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// The name of the check.
    pub check: &'static str,
    /// The result.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Finding {
    /// A finding without a fix.
    pub fn new(area: Area, check: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { area, check, verdict, found: found.into(), fix: None }
    }

    /// The same with its fix.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// One line per finding, its fix below it, and the totals.
pub fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    let width = findings.iter().map(|finding| finding.check.len() + finding.area.word().len() + 1).max().unwrap_or(0);
    for finding in findings {
        let name = format!("{} {}", finding.area.word(), finding.check);
        let word = format!("{:<4}", finding.verdict.word());
        let word = match finding.verdict {
            Verdict::Ok | Verdict::Skip => word,
            Verdict::Warn => toned(Tone::Warn, &word),
            Verdict::Fail => toned(Tone::Bad, &word),
        };
        let _infallible = writeln!(text, "{word}  {name:<width$}  {}", clean(&finding.found));
        if let Some(fix) = &finding.fix {
            let _infallible = writeln!(text, "      {:<width$}  fix: {}", "", clean(fix));
        }
    }
    let sums: Vec<String> = Verdict::ALL
        .into_iter()
        .map(|verdict| {
            let count = findings.iter().filter(|finding| finding.verdict == verdict).count();
            format!("{count} {}", verdict.word())
        })
        .collect();
    let _infallible = writeln!(text, "\n{}", sums.join(", "));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_fix_another() {
        let findings = [
            Finding::new(Area::Database, "reachable", Verdict::Ok, "PostgreSQL 15"),
            Finding::new(Area::Broker, "login", Verdict::Fail, "refused\u{1b}[2J").fix("give it a password"),
        ];
        let shown = text(&findings);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "ok    database reachable  PostgreSQL 15");
        assert_eq!(lines[1], r"fail  broker login        refused\u{1b}[2J");
        assert_eq!(lines[2].trim(), "fix: give it a password");
        assert_eq!(lines[4], "1 ok, 0 warn, 1 fail, 0 skip");
    }
}
