//! What is kept of a product: its newest name, price, status and stock, each with its own time, and until when the copy counts. Pure;
//! the stores keep its JSON text.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::product::{Product, ProductSource};
use crate::inbound::product::{ProductNews, ProductState};
use crate::value::id::ProductId;
use crate::value::timestamp::Timestamp;

/// The status of a product that is sold.
const ACTIVE: &str = "ACTIVE";

/// A copy of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    state: ProductState,
    expires_at: Timestamp,
}

impl Entry {
    /// The copy after `news` that are as of `at`, or none where they change nothing. An older value never replaces a newer one, whoever
    /// writes last: each field is the newest that was told. The copy counts for `life` from now, or as long as it would have.
    pub fn merged(
        before: Option<&Self>,
        at: Option<Timestamp>,
        news: &ProductNews,
        life: Duration,
        now: Timestamp,
    ) -> Option<Self> {
        let before = before.filter(|entry| entry.expires_at > now);
        let mut state = before.map(|entry| entry.state.clone()).unwrap_or_default();
        let is_changed = state.hear(at, news).change().is_some();
        let until = Timestamp::new(now.time() + life).unwrap_or(now);
        let expires_at = before.map_or(until, |entry| entry.expires_at.max(until));
        // The same facts told again keep the copy alive.
        let lives_longer = before.is_some_and(|entry| entry.expires_at < expires_at) && !is_older(&state, at);
        (is_changed || lives_longer).then_some(Self { state, expires_at })
    }

    /// The product, if the copy still counts and has what an order needs: a name and a price.
    pub fn product(&self, id: &ProductId, now: Timestamp) -> Option<Product> {
        let state = &self.state;
        let is_whole = state.name.is_some() && state.price.is_some();
        (is_whole && self.expires_at > now).then(|| Product::known(id, state, ProductSource::Cache))
    }

    /// For how long the copy counts from `now`.
    pub fn life(&self, now: Timestamp) -> Duration {
        (self.expires_at.time() - now.time()).try_into().unwrap_or_default()
    }

    /// Whether the product is sold.
    pub fn is_active(&self) -> bool {
        self.state.status.as_ref().is_some_and(|status| status.value.as_str() == ACTIVE)
    }

    /// As the stores keep it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a state has text keys and no failing parts")
    }

    /// A copy of another form counts as none.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Whether something newer than `at` is known.
fn is_older(state: &ProductState, at: Option<Timestamp>) -> bool {
    let times = [
        state.name.as_ref().map(|latest| latest.at),
        state.price.as_ref().map(|latest| latest.at),
        state.status.as_ref().map(|latest| latest.at),
    ];
    times.into_iter().flatten().any(|known| known > at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::product::Price;
    use crate::value::text::ForeignText;

    fn time(text: &str) -> Timestamp {
        format!("2026-12-01T{text}Z").parse().expect("a time")
    }

    fn news(name: Option<&str>, price: Option<&str>) -> ProductNews {
        ProductNews {
            product_id: "product-1".parse().expect("an id"),
            name: name.map(ForeignText::new),
            price: price.map(|price| Price(price.parse().expect("an amount"))),
            status: None,
            available: None,
            quantity_available: None,
            details: None,
        }
    }

    fn price(entry: &Entry, now: Timestamp) -> Option<String> {
        let id = "product-1".parse().expect("an id");
        entry.product(&id, now).and_then(|product| product.price).map(|price| price.to_string())
    }

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTES: Duration = Duration::from_secs(300);

    #[test]
    fn an_older_value_never_replaces_a_newer_one() {
        let now = time("12:00:00");
        let newer = Entry::merged(None, Some(time("11:59:00")), &news(Some("Desk"), Some("20.00")), HOUR, now);
        let newer = newer.expect("new");
        let older = Entry::merged(Some(&newer), Some(time("11:58:00")), &news(Some("Old"), Some("10.00")), HOUR, now);
        assert_eq!(older, None);
        let unknown = Entry::merged(Some(&newer), None, &news(None, Some("10.00")), HOUR, now);
        assert_eq!(unknown, None, "what has no time is older than what has one");
        let newest = Entry::merged(Some(&newer), Some(time("11:59:30")), &news(None, Some("30.00")), MINUTES, now);
        let newest = newest.expect("newer");
        assert_eq!(price(&newest, now), Some("30.00".into()), "and the name is the one of before");
        assert_eq!(newest.life(now), HOUR, "a short life does not end a longer one");
    }

    #[test]
    fn a_copy_counts_for_its_life_and_not_without_a_price() {
        let now = time("12:00:00");
        let entry = Entry::merged(None, Some(now), &news(Some("Desk"), Some("20.00")), MINUTES, now).expect("new");
        assert_eq!(price(&entry, time("12:04:59.999")), Some("20.00".into()));
        assert_eq!(price(&entry, time("12:05:00")), None);
        let nameless = Entry::merged(None, Some(now), &news(None, Some("20.00")), MINUTES, now).expect("new");
        assert_eq!(price(&nameless, now), None);
    }

    #[test]
    fn the_same_told_again_keeps_the_copy_alive() {
        let (now, later) = (time("12:00:00"), time("12:04:00"));
        let same = news(Some("Desk"), Some("20.00"));
        let entry = Entry::merged(None, Some(now), &same, MINUTES, now).expect("new");
        let again = Entry::merged(Some(&entry), Some(later), &same, MINUTES, later).expect("it lives longer");
        assert_eq!(price(&again, time("12:08:00")), Some("20.00".into()));
    }

    #[test]
    fn what_is_stored_can_be_read_and_another_form_is_none() {
        let now = time("12:00:00");
        let entry = Entry::merged(None, Some(now), &news(Some("Desk"), Some("20.00")), HOUR, now).expect("new");
        assert_eq!(Entry::from_json(&entry.to_json()), Some(entry));
        for text in ["", "null", "{}", r#"{"id": "product-1"}"#, "\u{0}"] {
            assert_eq!(Entry::from_json(text), None, "{text}");
        }
    }
}
