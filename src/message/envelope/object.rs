//! Writes a JSON object field by field, so that the payload's text stays untouched. Used by the
//! envelopes.

use uuid::Uuid;

/// The object so far.
pub(super) struct Object(Vec<u8>);

impl Object {
    /// With room for `bytes` bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// Adds a text field.
    pub(super) fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        serde_json::to_writer(&mut self.0, value).expect("a string always serialises into memory");
    }

    /// Adds a field with `prefix` and an id, which need no escaping.
    pub(super) fn id(&mut self, name: &str, prefix: &str, id: Uuid) {
        self.name(name);
        self.0.push(b'"');
        self.0.extend_from_slice(prefix.as_bytes());
        self.0.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        self.0.push(b'"');
    }

    /// Adds a field with JSON text, unchanged.
    pub(super) fn unparsed(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(json);
    }

    /// The object's text.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}
