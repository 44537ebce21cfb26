//! The plot: drain rates round by round beside the raw publisher's, and latencies by load and kind of wake-up. Plain SVG, written by hand.
//!
//! Called by the report.

use std::fmt::Write;

use crate::figures::Figure;
use crate::report::number;

const WIDTH: f64 = 760.0;
const LABEL: f64 = 250.0;
const BAR: f64 = 14.0;
const COLOURS: [&str; 2] = ["#4878a8", "#b0b8c0"];

/// Both charts, one above the other.
pub fn svg(figures: &[Figure]) -> String {
    let mut chart = Chart { body: String::new(), y: 10.0 };
    for (case, title) in [("drain", "drain, 20,000 aggregates"), ("drain-1000", "drain, 1,000 aggregates")] {
        let rate = |what: &str| figures.iter().find(|figure| figure.case == case && figure.what == what);
        if let (Some(relay), Some(raw)) = (rate("relay"), rate("raw publisher")) {
            chart.title(&format!("{title}: messages a second by round, the relay above the raw publisher"));
            let most = relay.max().max(raw.max());
            for (round, (relay, raw)) in relay.values.iter().zip(&raw.values).enumerate() {
                chart.bar(&format!("round {}", round + 1), *relay, most, COLOURS[0]);
                chart.bar("", *raw, most, COLOURS[1]);
            }
        }
    }
    let lags: Vec<&Figure> = figures.iter().filter(|figure| figure.case == "latency").collect();
    let most = lags.iter().map(|figure| figure.median()).fold(f64::MIN_POSITIVE, f64::max);
    if !lags.is_empty() {
        chart.title("from commit to delivery, ms");
    }
    for lag in lags {
        let is_tail = lag.what.ends_with("p99");
        chart.bar(&lag.what, lag.median(), most, COLOURS[usize::from(is_tail)]);
    }
    let height = chart.y + 10.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}</svg>\n",
        chart.body
    )
}

struct Chart {
    body: String,
    y: f64,
}

impl Chart {
    fn title(&mut self, text: &str) {
        self.y += 24.0;
        let _never_fails =
            writeln!(self.body, "<text x=\"10\" y=\"{}\" font-size=\"13\" font-weight=\"bold\">{text}</text>", self.y);
        self.y += 8.0;
    }

    fn bar(&mut self, label: &str, value: f64, most: f64, colour: &str) {
        let width = (value / most * (WIDTH - LABEL - 70.0)).max(1.0);
        let (y, base, end) = (self.y, self.y + BAR - 4.0, LABEL + width + 5.0);
        let _never_fails = writeln!(
            self.body,
            "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{label}</text><rect x=\"{LABEL}\" y=\"{y}\" width=\"{width:.1}\" \
             height=\"{}\" fill=\"{colour}\"/><text x=\"{end:.1}\" y=\"{base}\">{}</text>",
            LABEL - 6.0,
            BAR - 3.0,
            number(value)
        );
        self.y += BAR;
    }
}
