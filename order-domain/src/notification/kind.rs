//! What a notification is, by which channel it goes, and how urgent it is. Types and channels are open sets: the seeds
//! name some, and a service may use others.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Invalid;

const NAME_BYTES_MAX: usize = 64;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $field:literal { $($(#[$known_doc:meta])* $known:ident,)* })+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(try_from = "String")]
        pub struct $name(
            #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[A-Z0-9_]{1,64}$")))] Cow<'static, str>,
        );

        impl $name {
            $($(#[$known_doc])* pub const $known: Self = Self(Cow::Borrowed(stringify!($known)));)*

            /// Takes another name: capital letters, digits and underscores.
            pub fn new(name: impl Into<String>) -> Result<Self, Invalid> {
                let name = name.into();
                let is_name = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
                if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name) {
                    let expected = "1 to 64 capital letters, digits and underscores";
                    return Err(Invalid::Malformed { field: $field, expected });
                }
                Ok(Self(Cow::Owned(name)))
            }

            /// The name on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(name: String) -> Result<Self, Invalid> {
                Self::new(name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+ };
}

names! {
    /// By which way a notification reaches the customer.
    Channel = "channel" {
        /// An e-mail.
        EMAIL,
        /// A text message.
        SMS,
    }

    /// What a notification tells; decides the template.
    NotificationType = "type" {
        /// The order is placed.
        ORDER_CONFIRMATION,
        /// The order is cancelled.
        ORDER_CANCELLATION,
        /// The order, or a part of it, is on its way.
        ORDER_SHIPPED,
        /// Anything else that somebody wants the customer to know.
        CUSTOM,
    }
}

impl NotificationType {
    /// Whether a customer who is not reached has to be looked after by a person.
    pub fn is_critical(&self) -> bool {
        super::CRITICAL_TYPES.contains(self)
    }
}

/// How urgent a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Priority {
    /// At once.
    #[default]
    High,
    /// Soon.
    Normal,
    /// When there is nothing else to do.
    Low,
}
