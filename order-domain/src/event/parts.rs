//! What the payloads of several events share.

use serde::{Deserialize, Serialize};

use crate::order::{Address, Customer, Item, LineQuantity, Order};
use crate::value::amount::Amount;
use crate::value::id::{InventoryItemId, OrderItemId, ProductId, VariantId};
use crate::value::quantity::Quantity;
use crate::value::text::{Email, PersonName, Phone};

/// A line of the order, as Product, Inventory and the platform read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// Names the line within the order.
    pub order_item_id: OrderItemId,
    /// The stock item; `null` where the order service does not know it.
    pub inventory_item_id: Option<InventoryItemId>,
    /// The product.
    pub product_id: ProductId,
    /// Its variant, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<VariantId>,
    /// Its name when it was ordered.
    pub product_name: String,
    /// How many were ordered.
    pub quantity: Quantity,
    /// The price of one.
    pub unit_price: Amount,
}

impl From<&Item> for OrderLine {
    fn from(item: &Item) -> Self {
        Self {
            order_item_id: item.order_item_id.clone(),
            inventory_item_id: item.inventory_item_id.clone(),
            product_id: item.product_id.clone(),
            variant_id: item.variant_id.clone(),
            product_name: item.product_name.clone(),
            quantity: item.quantity,
            unit_price: item.unit_price,
        }
    }
}

impl OrderLine {
    /// Every line of `order`.
    pub(crate) fn all(order: &Order) -> Vec<Self> {
        order.lines().iter().map(|line| Self::from(&line.item)).collect()
    }
}

/// Pieces of a line, in an event about a part of the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderPart {
    /// The line.
    pub order_item_id: OrderItemId,
    /// Its stock item; `null` where the order service does not know it.
    pub inventory_item_id: Option<InventoryItemId>,
    /// Its product.
    pub product_id: ProductId,
    /// How many pieces of it.
    pub quantity: Quantity,
}

impl OrderPart {
    /// Every line of `order`, with all of its pieces.
    pub(crate) fn whole(order: &Order) -> Vec<Self> {
        let part = |item: &Item| Self {
            order_item_id: item.order_item_id.clone(),
            inventory_item_id: item.inventory_item_id.clone(),
            product_id: item.product_id.clone(),
            quantity: item.quantity,
        };
        order.lines().iter().map(|line| part(&line.item)).collect()
    }

    /// The picked lines of `order`, with what consumers need to find them.
    pub(crate) fn all(order: &Order, picked: &[LineQuantity]) -> Vec<Self> {
        let part = |picked: &LineQuantity| {
            let item = order.lines().iter().map(|line| &line.item).find(|i| i.order_item_id == picked.order_item_id)?;
            Some(Self {
                order_item_id: item.order_item_id.clone(),
                inventory_item_id: item.inventory_item_id.clone(),
                product_id: item.product_id.clone(),
                quantity: picked.quantity,
            })
        };
        picked.iter().filter_map(part).collect()
    }
}

/// How the customer is addressed and reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomerDetails {
    /// The customer's name.
    pub name: PersonName,
    /// The e-mail address.
    pub email: Email,
    /// The phone number, if the customer gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
}

impl From<&Customer> for CustomerDetails {
    fn from(customer: &Customer) -> Self {
        Self { name: customer.name.clone(), email: customer.email.clone(), phone: customer.phone.clone() }
    }
}

/// A shipping address as seed 003 shows it. Personal: `Debug` shows the country only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ShippingAddress {
    /// Street and number, and after a comma the second line of the address.
    pub street: String,
    /// Town.
    pub city: String,
    /// State or province, where the country has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: String,
    /// Two letters of ISO 3166.
    pub country: String,
}

impl From<&Address> for ShippingAddress {
    fn from(address: &Address) -> Self {
        let street = match &address.line2 {
            Some(line2) => format!("{}, {line2}", address.line1),
            None => address.line1.clone(),
        };
        Self {
            street,
            city: address.city.clone(),
            state: address.state.clone(),
            postal_code: address.postal_code.clone(),
            country: address.country.clone(),
        }
    }
}

impl std::fmt::Debug for ShippingAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShippingAddress").field("country", &self.country).finish_non_exhaustive()
    }
}
