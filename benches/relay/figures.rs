//! What was measured: named series of values, what they should be, and whether they are.
//!
//! Filled by the cases, read by the report, the plot and the JSON file.

use serde::Serialize;

/// One thing that was measured, once a round.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// The case's name.
    pub case: &'static str,
    /// What it is.
    pub what: String,
    /// Its unit; empty for a ratio.
    pub unit: &'static str,
    /// One value a round, in order.
    pub values: Vec<f64>,
    /// What the median should be.
    pub target: Option<Target>,
}

/// A bound for the median.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    pub fn new(case: &'static str, what: impl Into<String>, unit: &'static str, values: Vec<f64>) -> Self {
        Self { case, what: what.into(), unit, values, target: None }
    }

    /// Round by round: `over` through `under`.
    pub fn ratio(case: &'static str, what: impl Into<String>, over: &[f64], under: &[f64]) -> Self {
        let values = over.iter().zip(under).map(|(over, under)| over / under).collect();
        Self::new(case, what, "", values)
    }

    pub fn at_least(mut self, bound: f64) -> Self {
        self.target = Some(Target::AtLeast(bound));
        self
    }

    pub fn at_most(mut self, bound: f64) -> Self {
        self.target = Some(Target::AtMost(bound));
        self
    }

    pub fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub fn max(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    pub fn median(&self) -> f64 {
        quantile(&self.values, 0.5)
    }

    /// Whether the median keeps the target, if there is one.
    pub fn is_kept(&self) -> Option<bool> {
        self.target.map(|target| match target {
            Target::AtLeast(bound) => self.median() >= bound,
            Target::AtMost(bound) => self.median() <= bound,
        })
    }
}

/// The value below which this share of `values` is; the nearest one that was measured.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 - 1.0) * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
