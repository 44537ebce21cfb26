//! What templates are filled in with: one type for each kind of notification, and free data for custom ones.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::Refusal;
use crate::order::{Address, Item, Line, Order, Shipment};
use crate::value::amount::Amount;
use crate::value::id::OrderNumber;
use crate::value::quantity::Quantity;
use crate::value::text::PersonName;
use crate::value::timestamp::Timestamp;

/// A template that needs more is a document, not a notification.
pub const TEMPLATE_BYTES_MAX: usize = 65_536;

/// A JSON object, kept as the text it was given as; one that every consumer can read: nested at most 127 deep, its numbers
/// doubles, its texts Unicode. Personal: `Debug` shows its size only.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct TemplateData(Box<RawValue>);

impl TemplateData {
    /// Takes the JSON text of an object of at most 64 KiB.
    pub fn from_json(text: &str) -> Result<Self, Refusal> {
        let (field, expected) = ("templateData", "a JSON object");
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(Refusal::TooLarge { field, bytes: text.len(), bytes_max: TEMPLATE_BYTES_MAX });
        }
        serde_json::from_str(text).map_err(|_| crate::Invalid::Malformed { field, expected }.into())
    }

    /// The JSON text.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// Reads it as one of the types of this module.
    pub fn parse<T: for<'de> Deserialize<'de>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_json())
    }

    pub(crate) fn of(data: &impl Serialize) -> Self {
        let raw = serde_json::value::to_raw_value(data);
        Self(raw.expect("template data have text keys, and numbers that were checked when they were made"))
    }
}

impl<'de> Deserialize<'de> for TemplateData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        // Raw text is passed over without being read: 60,000 nested lists, or half a surrogate pair, would stop a consumer.
        let is_readable = serde_json::from_str::<serde_json::Value>(raw.get()).is_ok_and(|value| value.is_object());
        if is_readable { Ok(Self(raw)) } else { Err(serde::de::Error::custom("expected an object that can be read")) }
    }
}

impl PartialEq for TemplateData {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl std::fmt::Debug for TemplateData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TemplateData({} bytes)", self.as_json().len())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for TemplateData {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TemplateData".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "description": "What the template is filled in with.", "type": "object" })
    }
}

/// A line of the order in a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TemplateItem {
    /// The product's name.
    pub name: String,
    /// How many.
    pub quantity: Quantity,
    /// The price of one.
    pub price: Amount,
}

impl TemplateItem {
    fn new(item: &Item, quantity: Quantity) -> Self {
        Self { name: item.product_name.clone(), quantity, price: item.unit_price }
    }

    fn all(order: &Order) -> Vec<Self> {
        order.lines().iter().map(|Line { item, .. }| Self::new(item, item.quantity)).collect()
    }
}

/// The address in a template.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TemplateAddress {
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
    pub postal: String,
    /// Two letters of ISO 3166.
    pub country: String,
}

impl std::fmt::Debug for TemplateAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TemplateAddress").field("country", &self.country).finish_non_exhaustive()
    }
}

impl From<&Address> for TemplateAddress {
    fn from(address: &Address) -> Self {
        let Address { line1, line2, city, state, postal_code, country } = address.clone();
        Self { line1, line2, city, state, postal: postal_code, country }
    }
}

/// For `ORDER_CONFIRMATION`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConfirmationTemplate {
    /// The order's number, as the customer knows it.
    pub order_number: OrderNumber,
    /// The customer's name.
    pub customer_name: PersonName,
    /// When it was placed.
    pub order_date: Timestamp,
    /// Every line.
    pub order_items: Vec<TemplateItem>,
    /// Where it goes.
    pub shipping_address: TemplateAddress,
    /// What the items cost.
    pub subtotal: Amount,
    /// Tax.
    pub tax: Amount,
    /// Shipping.
    pub shipping: Amount,
    /// What the customer pays.
    pub total: Amount,
}

impl ConfirmationTemplate {
    pub(crate) fn new(order: &Order, customer_name: &PersonName) -> Self {
        Self {
            order_number: order.order_number().clone(),
            customer_name: customer_name.clone(),
            order_date: order.created_at(),
            order_items: TemplateItem::all(order),
            shipping_address: order.shipping_address().into(),
            subtotal: order.totals().subtotal,
            tax: order.totals().tax,
            shipping: order.totals().shipping,
            total: order.totals().total,
        }
    }
}

/// For `ORDER_CANCELLATION`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CancellationTemplate {
    /// The order's number, as the customer knows it.
    pub order_number: OrderNumber,
    /// The customer's name.
    pub customer_name: PersonName,
    /// When it was placed.
    pub order_date: Timestamp,
    /// Every line.
    pub order_items: Vec<TemplateItem>,
    /// Why it was cancelled.
    pub cancellation_reason: String,
    /// What the customer would have paid.
    pub total: Amount,
}

impl CancellationTemplate {
    pub(crate) fn new(order: &Order, customer_name: &PersonName, reason: &str) -> Self {
        Self {
            order_number: order.order_number().clone(),
            customer_name: customer_name.clone(),
            order_date: order.created_at(),
            order_items: TemplateItem::all(order),
            cancellation_reason: reason.to_owned(),
            total: order.totals().total,
        }
    }
}

/// For `ORDER_SHIPPED`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ShippedTemplate {
    /// The order's number, as the customer knows it.
    pub order_number: OrderNumber,
    /// The customer's name.
    pub customer_name: PersonName,
    /// What is on its way.
    pub shipped_items: Vec<TemplateItem>,
    /// Where it goes.
    pub shipping_address: TemplateAddress,
    /// Who carries it.
    pub carrier: String,
    /// By what number the carrier knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    /// Where the customer can follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_url: Option<String>,
    /// When it should arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_delivery: Option<Timestamp>,
}

impl ShippedTemplate {
    pub(crate) fn new(order: &Order, customer_name: &PersonName, shipment: &Shipment) -> Self {
        let item = |part: &crate::order::LineQuantity| {
            let line = order.lines().iter().find(|line| line.item.order_item_id == part.order_item_id)?;
            Some(TemplateItem::new(&line.item, part.quantity))
        };
        Self {
            order_number: order.order_number().clone(),
            customer_name: customer_name.clone(),
            shipped_items: shipment.lines.iter().filter_map(item).collect(),
            shipping_address: order.shipping_address().into(),
            carrier: shipment.carrier.clone(),
            tracking_number: shipment.tracking_number.clone(),
            tracking_url: shipment.tracking_url.clone(),
            estimated_delivery: shipment.estimated_delivery,
        }
    }
}
