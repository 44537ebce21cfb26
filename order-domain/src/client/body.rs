//! Bodies of answers. The documents show two shapes, the data itself and `{"success": true, "data": …}`; both are read, for every
//! service. Numbers keep their digits.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::Refused;
use crate::value::text::ForeignText;

#[derive(Deserialize)]
struct Envelope<'a> {
    success: Option<bool>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    code: ForeignText,
    #[serde(default)]
    message: ForeignText,
    #[serde(default)]
    details: Map<String, Value>,
}

/// What a body says.
pub(super) enum Said<'a> {
    /// The JSON text of the data.
    Data(&'a str),
    /// `success: false`, whatever the status.
    Refused(Refused),
}

/// Finds the data in the body of a successful answer.
pub(super) fn read(status: u16, body: &[u8]) -> Result<Said<'_>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    if !text.trim_start().starts_with('{') {
        return Ok(Said::Data(text));
    }
    let envelope: Envelope<'_> = parse(text)?;
    match (envelope.success, envelope.data) {
        (Some(false), _) => Ok(Said::Refused(refused(status, envelope.error))),
        (Some(true), Some(data)) => Ok(Said::Data(data.get())),
        (Some(true), None) => Ok(Said::Data("null")),
        (None, _) => Ok(Said::Data(text)),
    }
}

/// What the body of a refusal says; a body in another shape says nothing.
pub(super) fn refusal(status: u16, body: &[u8]) -> Refused {
    let text = std::str::from_utf8(body).ok().filter(|text| text.trim_start().starts_with('{'));
    refused(status, text.and_then(|text| serde_json::from_str::<Envelope<'_>>(text).ok()).and_then(|body| body.error))
}

fn refused(status: u16, error: Option<ErrorBody>) -> Refused {
    let error = error.unwrap_or(ErrorBody {
        code: ForeignText::default(),
        message: ForeignText::default(),
        details: Map::new(),
    });
    Refused { status, code: error.code, message: error.message, details: error.details }
}

/// Reads JSON. The error says where, and nothing of what stands there.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => format!("line {line}, column {column}: not of the expected form"),
            serde_json::error::Category::Syntax => format!("line {line}, column {column}: not JSON"),
            serde_json::error::Category::Eof | serde_json::error::Category::Io => "it ends too early".to_owned(),
        }
    })
}

/// The same for what owns its parts.
pub(super) fn owned<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    parse(text)
}
