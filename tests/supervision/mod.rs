//! The process around the hot path: starting without services, wrong configurations, stopping, panics, waking up, outages.

mod fakes;

mod grants;
mod outage;
mod panics;
mod starting;
mod stopping;
mod waking;
