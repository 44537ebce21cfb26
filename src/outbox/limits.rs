//! Limits of AMQP that a row is held against when it is read and when it becomes a message.

/// The longest AMQP short string, in bytes.
pub const SHORT_STRING_BYTES_MAX: usize = 255;

/// The header table must fit into one frame (128 KiB in every RabbitMQ, never raised here), with 1
/// KiB left for the other properties.
pub const HEADERS_BYTES_MAX: usize = 131_072 - 1_024;
