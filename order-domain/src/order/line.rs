//! The lines of an order, and how far each has come. Parts of an order (a shipment, a delivery, a return, a refund) are
//! named by [`Lines`].

use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::value::amount::Amount;
use crate::value::id::{InventoryItemId, OrderItemId, ProductId, VariantId};
use crate::value::quantity::Quantity;

/// What is ordered: one line of a new order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Names the line within the order.
    pub order_item_id: OrderItemId,
    /// The product.
    pub product_id: ProductId,
    /// Its variant, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<VariantId>,
    /// Its stock item, where the Product Service told it; Inventory cannot allocate without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory_item_id: Option<InventoryItemId>,
    /// Its name when it was ordered.
    pub product_name: String,
    /// How many.
    pub quantity: Quantity,
    /// The price of one.
    pub unit_price: Amount,
}

/// A line of an order: what was ordered, and how much of it has come how far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What was ordered.
    pub item: Item,
    /// Pieces that have left.
    pub shipped: u32,
    /// Of those, pieces that have arrived.
    pub delivered: u32,
}

impl Line {
    /// Nothing of `item` has moved yet.
    pub(crate) fn new(item: Item) -> Self {
        Self { item, shipped: 0, delivered: 0 }
    }

    /// Pieces that were ordered.
    pub fn ordered(&self) -> u32 {
        self.item.quantity.get()
    }
}

/// So many pieces of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LineQuantity {
    /// The line.
    pub order_item_id: OrderItemId,
    /// How many pieces of it.
    pub quantity: Quantity,
}

/// Which part of an order a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lines {
    /// Everything that is left for this command.
    All,
    /// Only these pieces.
    Some(Vec<LineQuantity>),
}

impl Lines {
    /// The pieces that are meant, each line once, if every line has that many left. `left` says how many pieces of a line
    /// the command may still take.
    pub(crate) fn pick(&self, lines: &[Line], left: impl Fn(&Line) -> u32) -> Result<Vec<LineQuantity>, Refusal> {
        let picked = match self {
            Self::All => lines.iter().filter_map(|line| whole(line, left(line))).collect(),
            Self::Some(wanted) => check(wanted, lines, left)?,
        };
        if picked.is_empty() { Err(Refusal::NothingLeft) } else { Ok(picked) }
    }
}

fn whole(line: &Line, left: u32) -> Option<LineQuantity> {
    let quantity = Quantity::new(left.into()).ok()?;
    Some(LineQuantity { order_item_id: line.item.order_item_id.clone(), quantity })
}

fn check(wanted: &[LineQuantity], lines: &[Line], left: impl Fn(&Line) -> u32) -> Result<Vec<LineQuantity>, Refusal> {
    for (at, part) in wanted.iter().enumerate() {
        let order_item_id = part.order_item_id.clone();
        if wanted[..at].iter().any(|earlier| earlier.order_item_id == order_item_id) {
            return Err(Refusal::DuplicateItem { order_item_id });
        }
        let Some(line) = lines.iter().find(|line| line.item.order_item_id == order_item_id) else {
            return Err(Refusal::UnknownItem { order_item_id });
        };
        let (requested, available) = (part.quantity.get(), left(line));
        if requested > available {
            return Err(Refusal::QuantityExceeded { order_item_id, requested, available });
        }
    }
    Ok(wanted.to_vec())
}
