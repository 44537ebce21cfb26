//! Limits of AMQP that a row is held against when it is read and when it becomes a message.

/// The longest AMQP short string, in bytes.
pub const SHORT_STRING_BYTES_MAX: usize = 255;

/// The most bytes of a frame in every RabbitMQ by default, never raised here.
pub const FRAME_BYTES_MAX: usize = 131_072;

/// The header table must fit into one frame, with 1 KiB left for the other properties.
pub const HEADERS_BYTES_MAX: usize = headers_bytes_max(FRAME_BYTES_MAX);

/// The largest header table in frames of this size.
pub const fn headers_bytes_max(frame_bytes_max: usize) -> usize {
    frame_bytes_max.saturating_sub(1_024)
}
