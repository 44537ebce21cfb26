//! Opaque ids. The seeds show `ord_01OXYZ012HIJ`, `order-abc-123` and UUIDs side by side: nobody may read meaning into
//! one, so the only rules are those of the table and of AMQP.

/// What the outbox table and an AMQP short string take.
pub const ID_BYTES_MAX: usize = 255;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $field:literal;)+) => { $(
        $(#[$doc])*
        ///
        /// Opaque text of 1 to 255 bytes without control characters.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(try_from = "String")]
        pub struct $name(#[cfg_attr(feature = "schema", schemars(length(min = 1, max = 255)))] String);

        impl $name {
            /// Takes the text as it is, or says what is wrong with it.
            pub fn new(text: impl Into<String>) -> Result<Self, $crate::Invalid> {
                let text = text.into();
                $crate::value::text::check($field, &text, ID_BYTES_MAX)?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::Invalid;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+ };
}

ids! {
    /// Names an order; the aggregate id and the partition key of its events.
    OrderId = "orderId";
    /// The number that people use for an order, such as `ORD-12345678`.
    OrderNumber = "orderNumber";
    /// Names a line of an order.
    OrderItemId = "orderItemId";
    /// Names the customer's account.
    UserId = "userId";
    /// Names a product of the Product Service.
    ProductId = "productId";
    /// Names a variant of a product.
    VariantId = "variantId";
    /// Names a stock item of the Inventory Service.
    InventoryItemId = "inventoryItemId";
    /// Names a payment of the Payment Service.
    PaymentId = "paymentId";
    /// Names a shipment.
    ShipmentId = "shipmentId";
    /// Names a return.
    ReturnId = "returnId";
    /// Names a refund.
    RefundId = "refundId";
    /// Names a notification: of ours a UUID, of the Notification Service's own anything.
    NotificationId = "notificationId";
    /// Names an allocation of the Inventory Service.
    AllocationId = "allocationId";
    /// Names a warehouse of the Inventory Service.
    WarehouseId = "warehouseId";
    /// Names a request to the Product Service; its answer carries the same.
    RequestId = "requestId";
    /// Ties together what belongs to one operation; never joined on, only shown.
    CorrelationId = "correlationId";
}
