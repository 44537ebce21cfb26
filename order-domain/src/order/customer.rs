//! Who ordered, and how that person is reached.

use serde::{Deserialize, Serialize};

use crate::notification::Channel;
use crate::value::id::UserId;
use crate::value::text::{Email, PersonName, Phone};
use crate::{Invalid, value::text};

/// The customer of an order, as the account showed them when the order was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The account.
    pub id: UserId,
    /// The name that letters open with.
    pub name: PersonName,
    /// Where e-mail goes.
    pub email: Email,
    /// Where text messages go; without it there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// A language tag; absent means `en`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_language: Option<String>,
    /// Absent means `EMAIL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_channel: Option<Channel>,
}

impl Customer {
    /// A customer with a name and an e-mail address; the rest can be set on the fields.
    pub fn new(id: UserId, name: PersonName, email: Email) -> Self {
        Self { id, name, email, phone: None, preferred_language: None, preferred_channel: None }
    }

    /// Says what is wrong with it; names and addresses were checked when they were made.
    pub fn check(&self) -> Result<(), Invalid> {
        text::check_optional("preferredLanguage", self.preferred_language.as_deref(), 35)
    }
}
