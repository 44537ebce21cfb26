//! Whether the prices of an order are still those of the Product Service (seed 004 section 6.2). Decided exactly: a
//! difference of 1.00 % is none, one of 1.01 % is.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::order::Item;
use crate::value::amount::Amount;
use crate::value::exact;
use crate::value::id::ProductId;

/// From where on prices differ, and from where on a person should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// Prices that differ by more percent than this are listed.
    pub listed_percent: Decimal,
    /// One price that differs by more percent than this needs a review.
    pub review_percent: Decimal,
    /// A total that differs by more than this, in units of the currency, needs a review.
    pub review_total: Decimal,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { listed_percent: Decimal::ONE, review_percent: Decimal::TEN, review_total: Decimal::TEN }
    }
}

/// How far an order's price is from the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// In percent of the current price, rounded to four decimals for show.
    Percent(Decimal),
    /// The product costs nothing now, and did.
    Infinite,
}

impl Serialize for Difference {
    /// A number; `null` for the infinite one, as JavaScript writes it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Percent(percent) => exact::serialize(percent, serializer),
            Self::Infinite => serializer.serialize_none(),
        }
    }
}

/// A line whose price is not the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Discrepancy {
    /// The product.
    pub product_id: ProductId,
    /// What the order says.
    pub order_price: Amount,
    /// What the Product Service says.
    pub current_price: Amount,
    /// How far they are apart.
    pub difference: Difference,
}

/// What the check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceCheck {
    /// Whether any line is listed.
    pub has_discrepancies: bool,
    /// The lines whose prices differ.
    pub discrepancies: Vec<Discrepancy>,
    /// By how much the listed lines would cost more at current prices; less, if negative.
    #[serde(serialize_with = "exact::serialize")]
    pub total_difference: Decimal,
    /// Whether a person should look at the order.
    pub requires_review: bool,
}

/// The Product Service did not tell the price of a product, so nothing can be said of the order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the current price of product {product_id} is not known")]
pub struct PriceUnknown {
    /// The product.
    pub product_id: ProductId,
}

/// Compares the prices of `items` with those that `current_price` tells.
pub fn check_prices<'a>(
    items: impl IntoIterator<Item = &'a Item>,
    current_price: impl Fn(&ProductId) -> Option<Amount>,
    tolerance: Tolerance,
) -> Result<PriceCheck, PriceUnknown> {
    let (mut discrepancies, mut total_difference, mut is_far) = (Vec::new(), Decimal::ZERO, false);
    for item in items {
        let product_id = item.product_id.clone();
        let Some(current) = current_price(&product_id) else {
            return Err(PriceUnknown { product_id });
        };
        let (order_price, current_price) = (item.unit_price.decimal(), current.decimal());
        let gap = current_price - order_price;
        if !exceeds(gap, current_price, tolerance.listed_percent) {
            continue;
        }
        is_far |= exceeds(gap, current_price, tolerance.review_percent);
        total_difference += gap * Decimal::from(item.quantity.get());
        let difference = difference(gap, current_price);
        discrepancies.push(Discrepancy {
            product_id,
            order_price: item.unit_price,
            current_price: current,
            difference,
        });
    }
    Ok(PriceCheck {
        has_discrepancies: !discrepancies.is_empty(),
        discrepancies,
        total_difference,
        requires_review: is_far || total_difference.abs() > tolerance.review_total,
    })
}

/// Whether `gap` is more than so many percent of `price`, without dividing. Of a price of 0 any gap is more.
fn exceeds(gap: Decimal, price: Decimal, percent: Decimal) -> bool {
    gap.abs() * Decimal::ONE_HUNDRED > price * percent
}

fn difference(gap: Decimal, price: Decimal) -> Difference {
    match (gap.abs() * Decimal::ONE_HUNDRED).checked_div(price) {
        Some(percent) => Difference::Percent(percent.round_dp(4).normalize()),
        None => Difference::Infinite,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::quantity::Quantity;

    fn item(unit_price: &str, quantity: i64) -> Item {
        Item {
            order_item_id: "item-1".parse().expect("an id"),
            product_id: "product-1".parse().expect("an id"),
            variant_id: None,
            inventory_item_id: None,
            product_name: "Test Product".into(),
            quantity: Quantity::new(quantity).expect("a quantity"),
            unit_price: unit_price.parse().expect("a price"),
        }
    }

    fn check(unit_price: &str, current: &str, quantity: i64) -> PriceCheck {
        let current: Amount = current.parse().expect("a price");
        let item = item(unit_price, quantity);
        check_prices([&item], |_| Some(current), Tolerance::default()).expect("the price is known")
    }

    #[test]
    fn a_difference_of_one_percent_is_not_listed_and_one_just_above_is() {
        for (price, current) in [("101.00", "100.00"), ("99.00", "100.00"), ("100", "100.00"), ("3.03", "3.00")] {
            assert!(!check(price, current, 1).has_discrepancies, "{price} against {current}");
        }
        for (price, current, percent) in
            [("101.01", "100.00", "1.01"), ("98.99", "100", "1.01"), ("3.04", "3.00", "1.3333")]
        {
            let found = check(price, current, 1);
            assert_eq!(found.discrepancies[0].difference, Difference::Percent(percent.parse().expect("a number")));
            assert!(!found.requires_review, "{price} against {current}");
        }
    }

    #[test]
    fn a_difference_of_ten_percent_needs_no_review_and_one_just_above_does() {
        assert!(!check("11.00", "10.00", 1).requires_review);
        assert!(check("11.01", "10.00", 1).requires_review);
    }

    #[test]
    fn a_total_of_ten_needs_no_review_and_one_just_above_does() {
        let (ten, more) = (check("498.00", "500.00", 5), check("497.98", "500.00", 5));
        assert_eq!((ten.has_discrepancies, ten.requires_review), (false, false), "0.4 % is not listed, so not counted");
        assert_eq!((more.has_discrepancies, more.requires_review), (false, false));
        let (ten, more) = (check("95.00", "100.00", 2), check("100.00", "97.98", 5));
        assert_eq!((ten.total_difference, ten.requires_review), ("10".parse().expect("a number"), false));
        assert_eq!((more.total_difference, more.requires_review), ("-10.10".parse().expect("a number"), true));
        let just_above = check("494.995", "500.00", 2);
        assert_eq!(
            (just_above.total_difference, just_above.requires_review),
            ("10.01".parse().expect("a number"), true)
        );
    }

    #[test]
    fn a_product_that_costs_nothing_now_is_infinitely_far_off_unless_it_did_before() {
        let found = check("5.00", "0", 1);
        assert_eq!((found.discrepancies[0].difference, found.requires_review), (Difference::Infinite, true));
        assert!(!check("0", "0.00", 1).has_discrepancies);
        assert!(check("0", "0.01", 1).requires_review, "100 %");
    }

    #[test]
    fn the_result_reads_as_the_document_shows_it() {
        let text = serde_json::to_string(&check("90.00", "100.00", 2)).expect("text");
        let expected = concat!(
            r#"{"hasDiscrepancies":true,"discrepancies":[{"productId":"product-1","orderPrice":90.00,"#,
            r#""currentPrice":100.00,"difference":10}],"totalDifference":20.00,"requiresReview":true}"#,
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_price_that_nobody_knows_is_an_error() {
        let unknown = check_prices([&item("1", 1)], |_| None, Tolerance::default()).expect_err("unknown");
        assert_eq!(unknown.to_string(), "the current price of product product-1 is not known");
    }
}
