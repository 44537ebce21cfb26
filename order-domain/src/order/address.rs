//! Where an order goes. The seeds show three shapes of an address; this is the one that the others are made from.

use crate::Invalid;
use crate::value::text::{TEXT_BYTES_MAX, check, check_optional};

/// A shipping address. Personal: `Debug` shows the country only.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Street and number.
    pub line1: String,
    /// Flat, floor, company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    /// Town.
    pub city: String,
    /// State or province, where the country has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: String,
    /// Two letters of ISO 3166, such as `US`.
    pub country: String,
}

impl Address {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), Invalid> {
        check("shippingAddress.line1", &self.line1, TEXT_BYTES_MAX)?;
        check_optional("shippingAddress.line2", self.line2.as_deref(), TEXT_BYTES_MAX)?;
        check("shippingAddress.city", &self.city, TEXT_BYTES_MAX)?;
        check_optional("shippingAddress.state", self.state.as_deref(), TEXT_BYTES_MAX)?;
        check("shippingAddress.postalCode", &self.postal_code, TEXT_BYTES_MAX)?;
        let is_country = self.country.len() == 2 && self.country.bytes().all(|b| b.is_ascii_uppercase());
        let expected = "two capital letters, a country code of ISO 3166";
        if is_country { Ok(()) } else { Err(Invalid::Malformed { field: "shippingAddress.country", expected }) }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("country", &self.country).finish_non_exhaustive()
    }
}
