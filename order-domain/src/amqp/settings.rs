//! How the consumers behave. The defaults are those of the documents where they have one.

use std::time::Duration;

use crate::inbound::{BODY_BYTES_MAX, Source};

/// How the consumers behave.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// From whom to hear.
    pub sources: Vec<Source>,
    /// Declares the exchanges of other services too, durable and of the kind topic. Otherwise they are only looked for: their
    /// owners decide what they are.
    pub declare_topology: bool,
    /// Messages that the broker sends ahead, for each source.
    pub prefetch: u16,
    /// Messages that are handled at once, for each source.
    pub work_max: usize,
    /// What a body may have. One that has more is held in memory until it is put aside: together at most `prefetch` times what
    /// the broker takes as one message.
    pub body_bytes_max: usize,
    /// After how long a message is tried again, one queue for each. After the last the message is a dead letter.
    pub retry_delays: Vec<Duration>,
    /// How long a consumer waits for the infrastructure before it tries one message.
    pub pause: Duration,
    /// As many faults in a row, each of another message, are taken for one of the infrastructure.
    pub faults_max: usize,
    /// For one try of one message.
    pub handler_timeout: Duration,
    /// For the messages at hand when the service ends.
    pub drain_timeout: Duration,
    /// From one look for missing exchanges to the next.
    pub topology_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sources: Source::ALL.to_vec(),
            declare_topology: false,
            prefetch: 20,
            work_max: 8,
            body_bytes_max: BODY_BYTES_MAX,
            retry_delays: [1, 2, 4].map(Duration::from_secs).to_vec(),
            pause: Duration::from_secs(30),
            faults_max: 3,
            handler_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            topology_interval: Duration::from_secs(30),
        }
    }
}
