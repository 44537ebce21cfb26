//! Rules for free text, and the texts that are personal: those show themselves to nobody but the wire.

use crate::Invalid;

/// What a name, a reason or a line of an address takes.
pub const TEXT_BYTES_MAX: usize = 1024;
/// What RFC 5321 leaves for an address.
pub const EMAIL_BYTES_MAX: usize = 254;
/// Generous: E.164 has at most 16 characters, extensions and spaces make it longer.
pub const PHONE_BYTES_MAX: usize = 64;

/// Not empty, not too long, no control character.
pub(crate) fn check(field: &'static str, text: &str, bytes_max: usize) -> Result<(), Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::Empty { field });
    }
    if text.len() > bytes_max {
        return Err(Invalid::TooLong { field, bytes: text.len(), bytes_max });
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::Malformed { field, expected: "text without control characters" });
    }
    Ok(())
}

/// The same for a field that may be absent.
pub(crate) fn check_optional(field: &'static str, text: Option<&str>, bytes_max: usize) -> Result<(), Invalid> {
    text.map_or(Ok(()), |text| check(field, text, bytes_max))
}

/// A text of another service that is kept for people: control characters become spaces, and what is longer than 1024 bytes is
/// cut, because no service should lose a fact over a line feed in an error message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(from = "String")]
pub struct ForeignText(String);

impl ForeignText {
    /// Takes any text.
    pub fn new(text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        if text.chars().any(char::is_control) {
            text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        }
        let mut end = text.len().min(TEXT_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for ForeignText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl std::fmt::Display for ForeignText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! personal {
    ($($(#[$doc:meta])* $name:ident = $field:literal, $bytes_max:expr, $expected:literal, $form:expr;)+) => { $(
        $(#[$doc])*
        ///
        /// Personal: `Debug` does not show it, and there is no `Display`.
        #[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(try_from = "String")]
        pub struct $name(#[cfg_attr(feature = "schema", schemars(length(min = 1)))] String);

        impl $name {
            /// Takes the text as it is, or says what is wrong with it.
            pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
                let text = text.into();
                check($field, &text, $bytes_max)?;
                let well_formed: fn(&str) -> bool = $form;
                if !well_formed(&text) {
                    return Err(Invalid::Malformed { field: $field, expected: $expected });
                }
                Ok(Self(text))
            }

            /// The text, for whoever really sends something there.
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }
    )+ };
}

personal! {
    /// A customer's name.
    PersonName = "name", TEXT_BYTES_MAX, "a name", |_| true;
    /// An e-mail address. Whether it exists is for the Notification Service to find out.
    Email = "email", EMAIL_BYTES_MAX, "an e-mail address",
        |text| text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    /// A phone number, as the customer wrote it.
    Phone = "phone", PHONE_BYTES_MAX, "a phone number", |text| text.chars().any(|c| c.is_ascii_digit());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_texts_hide_themselves() {
        let email = Email::new("customer@example.com").expect("an address");
        assert_eq!(format!("{email:?}"), "Email(hidden)");
        assert_eq!(email.reveal(), "customer@example.com");
    }

    #[test]
    fn foreign_texts_are_taken_as_far_as_they_can_be_kept() {
        assert_eq!(ForeignText::new("line\r\nfeed\0").as_str(), "line  feed ");
        assert_eq!(ForeignText::new("ü".repeat(600)).as_str(), "ü".repeat(512));
        assert_eq!(ForeignText::new("a".to_owned() + &"ü".repeat(600)).as_str().len(), 1023);
    }

    #[test]
    fn empty_long_and_malformed_texts_are_told_apart_without_showing_them() {
        assert_eq!(PersonName::new(" ").expect_err("blank").code(), "EMPTY_VALUE");
        assert_eq!(Email::new("a@".to_owned() + &"b".repeat(300)).expect_err("long").code(), "VALUE_TOO_LONG");
        let refusal = Phone::new("call me").expect_err("no digit");
        assert_eq!((refusal.code(), refusal.to_string().contains("call")), ("MALFORMED_VALUE", false));
        assert_eq!(PersonName::new("a\0b").expect_err("a NUL").code(), "MALFORMED_VALUE");
    }
}
