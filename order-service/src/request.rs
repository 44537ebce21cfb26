//! Bodies of requests, and what the domain makes of them. The fields are plain here and checked by the domain, so that a
//! refusal has the domain's code: a negative quantity is `INVALID_QUANTITY`, not "no such type".

use std::fmt;
use std::marker::PhantomData;

use order_domain::event::RefundRequester;
use order_domain::notification::{Channel, Priority};
use order_domain::order::{Address, AllocationMode, ConfirmationTrigger, Customer, Item, LineQuantity, Lines};
use order_domain::value::exact;
use order_domain::value::id::{OrderItemId, UserId};
use order_domain::value::text::{Email, PersonName, Phone};
use order_domain::{Amount, Invalid, Quantity};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A JSON number, kept as it was written: 50.00 does not become a double.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Number(Box<RawValue>);

impl Number {
    /// The amount that it is, of the field `field`.
    pub fn amount(&self, field: &'static str) -> Result<Amount, Invalid> {
        self.0.get().parse().map_err(|invalid| match invalid {
            Invalid::Malformed { expected, .. } => Invalid::Malformed { field, expected },
            other => other,
        })
    }

    /// The number of pieces that it is; 2.0 is one, as for any reader of JSON.
    pub fn quantity(&self) -> Result<Quantity, Invalid> {
        let whole = exact::parse(self.0.get()).filter(|number| number.fract().is_zero());
        let whole = whole.ok_or(Invalid::Malformed { field: "quantity", expected: "a whole number" })?;
        // What is beyond any integer is beyond any quantity as well.
        let beyond = if whole.is_sign_negative() { i64::MIN } else { i64::MAX };
        Quantity::new(i64::try_from(whole).unwrap_or(beyond))
    }
}

/// A JSON object and nothing else: what is derived for a struct would read its fields from a list as well, by their places.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Where the order goes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressBody {
    /// Street and number.
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    line1: String,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    line2: Option<String>,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    city: String,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    state: Option<String>,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    postal_code: String,
    /// ISO 3166.
    #[schema(pattern = "^[A-Z]{2}$")]
    country: String,
}

impl From<AddressBody> for Address {
    fn from(body: AddressBody) -> Self {
        let AddressBody { line1, line2, city, state, postal_code, country } = body;
        Self { line1, line2, city, state, postal_code, country }
    }
}

/// Who orders, and how that person is reached.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerBody {
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    name: String,
    #[schema(max_length = 254, pattern = "^[^@\\x00-\\x1f\\x7f-\\x9f]+@[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    email: String,
    /// Without it there are no text messages.
    #[schema(max_length = 64, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[0-9][^\\x00-\\x1f\\x7f-\\x9f]*$")]
    phone: Option<String>,
    /// A language tag; `en` where there is none.
    #[schema(min_length = 1, max_length = 35, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    preferred_language: Option<String>,
    /// `EMAIL` where there is none.
    #[schema(pattern = "^[A-Z0-9_]{1,64}$")]
    preferred_channel: Option<String>,
}

impl CustomerBody {
    /// The customer, who has the account `id`.
    pub fn of(self, id: UserId) -> Result<Customer, Invalid> {
        let mut customer = Customer::new(id, PersonName::new(self.name)?, Email::new(self.email)?);
        customer.phone = self.phone.map(Phone::new).transpose()?;
        customer.preferred_language = self.preferred_language;
        customer.preferred_channel = self.preferred_channel.map(Channel::new).transpose()?;
        Ok(customer)
    }
}

/// A line of a new order.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemBody {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    product_id: String,
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    variant_id: Option<String>,
    /// The stock item; Inventory cannot allocate without.
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    inventory_item_id: Option<String>,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    product_name: String,
    #[schema(value_type = i32, minimum = 1, maximum = 1_000_000)]
    quantity: Number,
    /// The price of one, with at most the decimals of the currency.
    #[schema(value_type = f64, minimum = 0, maximum = 999_999_999_999_999_i64)]
    unit_price: Number,
}

impl ItemBody {
    /// The item, with an id of its own.
    pub fn item(self) -> Result<Item, Invalid> {
        Ok(Item {
            order_item_id: OrderItemId::new(uuid::Uuid::now_v7().to_string())?,
            product_id: self.product_id.parse()?,
            variant_id: self.variant_id.as_deref().map(str::parse).transpose()?,
            inventory_item_id: self.inventory_item_id.as_deref().map(str::parse).transpose()?,
            product_name: self.product_name,
            quantity: self.quantity.quantity()?,
            unit_price: self.unit_price.amount("unitPrice")?,
        })
    }
}

/// So many pieces of a line of the order.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineBody {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    order_item_id: String,
    #[schema(value_type = i32, minimum = 1, maximum = 1_000_000)]
    quantity: Number,
}

/// The pieces that are named; no list means all that are left.
pub fn lines(bodies: Option<Vec<Object<LineBody>>>) -> Result<Lines, Invalid> {
    let Some(bodies) = bodies else { return Ok(Lines::All) };
    if bodies.is_empty() {
        return Err(Invalid::Empty { field: "lines" });
    }
    let line = |Object(body): Object<LineBody>| {
        Ok(LineQuantity { order_item_id: body.order_item_id.parse()?, quantity: body.quantity.quantity()? })
    };
    Ok(Lines::Some(bodies.into_iter().map(line).collect::<Result<_, Invalid>>()?))
}

/// The same where a command takes a list, and none for everything.
pub fn named_lines(bodies: Option<Vec<Object<LineBody>>>) -> Result<Vec<LineQuantity>, Invalid> {
    Ok(match lines(bodies)? {
        Lines::All => Vec::new(),
        Lines::Some(lines) => lines,
    })
}

/// Why something is done.
#[derive(Deserialize, ToSchema)]
pub struct ReasonBody {
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    pub reason: String,
}

/// How stock is reserved.
#[derive(Deserialize, ToSchema, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AllocationBody {
    /// Inventory allocates when it hears of the order.
    #[default]
    Event,
    /// Inventory is asked before the order is placed; by this service where it has Inventory's address, otherwise by the caller.
    Synchronous,
}

impl From<AllocationBody> for AllocationMode {
    fn from(body: AllocationBody) -> Self {
        match body {
            AllocationBody::Event => Self::Event,
            AllocationBody::Synchronous => Self::Synchronous,
        }
    }
}

/// When the customer gets the confirmation.
#[derive(Deserialize, ToSchema, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConfirmationBody {
    /// Once the order is placed.
    #[default]
    Placed,
    /// Once it is paid.
    Paid,
}

impl From<ConfirmationBody> for ConfirmationTrigger {
    fn from(body: ConfirmationBody) -> Self {
        match body {
            ConfirmationBody::Placed => Self::Placed,
            ConfirmationBody::Paid => Self::Paid,
        }
    }
}

/// Who wants money back.
#[derive(Deserialize, ToSchema, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RequesterBody {
    #[default]
    User,
    System,
}

impl From<RequesterBody> for RefundRequester {
    fn from(body: RequesterBody) -> Self {
        match body {
            RequesterBody::User => Self::User,
            RequesterBody::System => Self::System,
        }
    }
}

/// How urgent a notification is.
#[derive(Deserialize, ToSchema, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PriorityBody {
    #[default]
    High,
    Normal,
    Low,
}

impl From<PriorityBody> for Priority {
    fn from(body: PriorityBody) -> Self {
        match body {
            PriorityBody::High => Self::High,
            PriorityBody::Normal => Self::Normal,
            PriorityBody::Low => Self::Low,
        }
    }
}
