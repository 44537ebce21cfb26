//! The cases: what can be measured, in the order of the report.
//!
//! Each file measures one thing on stages of its own and answers with figures. `main` runs those that were asked for.

mod drain;
mod failing;
mod history;
mod latency;
mod lean;
mod load;
mod memory;
mod rest;
mod waiting;

use std::future::Future;
use std::pin::Pin;

use crate::failure::Failure;
use crate::figures::Figure;
use crate::settings::Settings;

type Measuring<'a> = Pin<Box<dyn Future<Output = Result<Vec<Figure>, Failure>> + 'a>>;

/// One case.
pub struct Case {
    pub name: &'static str,
    pub about: &'static str,
    pub run: for<'a> fn(&'a Settings) -> Measuring<'a>,
}

pub const CASES: &[Case] = &[
    Case {
        name: "drain",
        about: "a backlog of 1 KB rows over 20,000 aggregates, against the raw publisher",
        run: |settings| Box::pin(drain::many(settings)),
    },
    Case {
        name: "drain-1000",
        about: "the same over 1,000 aggregates",
        run: |settings| Box::pin(drain::few(settings)),
    },
    Case {
        name: "lean",
        about: "the same with leaner messages, no history, marks without fsync",
        run: |settings| Box::pin(lean::lean(settings)),
    },
    Case {
        name: "other",
        about: "the same with another relay beside it (OTHER_START)",
        run: |settings| Box::pin(drain::other(settings)),
    },
    Case {
        name: "latency",
        about: "from commit to delivery at 10, 200 and 2,000 rows a second",
        run: |settings| Box::pin(latency::latency(settings)),
    },
    Case { name: "rest", about: "what it costs when nothing happens", run: |settings| Box::pin(rest::rest(settings)) },
    Case {
        name: "memory",
        about: "the most memory while draining small and large rows",
        run: |settings| Box::pin(memory::memory(settings)),
    },
    Case {
        name: "backlog",
        about: "the first rows of a large backlog against the same rows alone",
        run: |settings| Box::pin(history::backlog(settings)),
    },
    Case {
        name: "retained",
        about: "a drain beside many published rows against one in an empty table",
        run: |settings| Box::pin(history::retained(settings)),
    },
    Case {
        name: "snapshot",
        about: "a drain while a snapshot is held open elsewhere against one without",
        run: |settings| Box::pin(history::snapshot(settings)),
    },
    Case {
        name: "failing",
        about: "latency of others beside a key with many rows behind a failing head",
        run: |settings| Box::pin(failing::failing(settings)),
    },
    Case {
        name: "waiting",
        about: "latency of others beside 100,000 waiting keys of each reason",
        run: |settings| Box::pin(waiting::waiting(settings)),
    },
    Case {
        name: "relays",
        about: "1, 2 and 4 relays on one backlog",
        run: |settings| Box::pin(load::relays(settings)),
    },
    Case {
        name: "producers",
        about: "commits of producers with the relay running against without",
        run: |settings| Box::pin(load::producers(settings)),
    },
    Case { name: "binary", about: "the size of the release binary", run: |settings| Box::pin(rest::binary(settings)) },
];
