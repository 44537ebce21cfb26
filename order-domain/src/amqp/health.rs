//! How each consumer is, for the service's health page.

use serde::Serialize;
use tokio::sync::watch;

use crate::inbound::{Observer, Seen, Source};

/// How a consumer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerHealth {
    /// The queue that it takes messages from.
    pub queue: String,
    /// What it is at.
    pub state: ConsumerState,
    /// What is missing of its topology while it runs, such as an exchange of another service.
    pub problems: Vec<String>,
}

/// What a consumer is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "is", content = "why")]
pub enum ConsumerState {
    /// It waits for a connection to the broker.
    Connecting,
    /// It takes messages.
    Running,
    /// It waits for the infrastructure, and takes none.
    Paused(String),
    /// Its own queue cannot be used; it tries again.
    Failing(String),
    /// The service has ended it.
    Stopped,
}

/// Keeps the health of one consumer, and tells the observer of changes.
pub(super) struct Report<O> {
    source: Source,
    dead_letters: bool,
    health: watch::Sender<ConsumerHealth>,
    observer: std::sync::Arc<O>,
}

impl<O: Observer> Report<O> {
    pub fn new(source: Source, queue: &str, dead_letters: bool, observer: std::sync::Arc<O>) -> Self {
        let health = ConsumerHealth { queue: queue.to_owned(), state: ConsumerState::Connecting, problems: Vec::new() };
        let report = Self { source, dead_letters, health: watch::Sender::new(health), observer };
        report.tell(&ConsumerState::Connecting);
        report
    }

    pub fn subscribe(&self) -> watch::Receiver<ConsumerHealth> {
        self.health.subscribe()
    }

    /// Another state, logged where it says something new.
    pub fn state(&self, state: ConsumerState) {
        let queue = self.health.borrow().queue.clone();
        let is_new = self.health.send_if_modified(|health| {
            let is_new = health.state != state;
            health.state = state.clone();
            is_new
        });
        if !is_new {
            return;
        }
        self.tell(&state);
        match &state {
            ConsumerState::Paused(why) => tracing::warn!(queue, error = why, "the consumer pauses; nothing is charged"),
            ConsumerState::Failing(why) => tracing::error!(queue, error = why, "the consumer cannot run; trying again"),
            ConsumerState::Running => tracing::info!(queue, "the consumer runs"),
            ConsumerState::Connecting | ConsumerState::Stopped => {
                tracing::debug!(queue, ?state, "the consumer's state")
            }
        }
    }

    /// What is missing, logged where it is something else than before.
    pub fn problems(&self, problems: Vec<String>) {
        let queue = self.health.borrow().queue.clone();
        let is_new = self.health.send_if_modified(|health| {
            let is_new = health.problems != problems;
            health.problems.clone_from(&problems);
            is_new
        });
        if is_new && problems.is_empty() {
            tracing::info!(queue, "nothing is missing any more");
        } else if is_new {
            problems
                .iter()
                .for_each(|problem| tracing::error!(queue, error = problem, "a part of the topology is missing"));
        }
    }

    pub fn has_problems(&self) -> bool {
        !self.health.borrow().problems.is_empty()
    }

    /// A message was handed back to the broker.
    pub fn handed_back(&self) {
        self.observer.seen(Seen::HandedBack { source: self.source });
    }

    fn tell(&self, state: &ConsumerState) {
        self.observer.seen(Seen::State {
            source: self.source,
            dead_letters: self.dead_letters,
            is_paused: matches!(state, ConsumerState::Paused(_)),
            is_running: *state == ConsumerState::Running,
        });
    }
}
