//! The fields that every `order.*` payload opens with, so that a consumer reads them in one way. Two macros: one declares
//! a payload with them, the other fills them in from the order.

/// Declares a payload. With `customer` it also tells how to reach the customer; payloads that only services without need
/// for it read (Inventory, Analytics) are declared without.
macro_rules! order_event {
    (
        $(#[$doc:meta])*
        $name:ident with customer { $($(#[$field_doc:meta])* $field:ident : $type:ty,)* }
    ) => {
        order_event! {
            $(#[$doc])*
            $name {
                /// How the customer is addressed and reached.
                customer_details: $crate::event::CustomerDetails,
                $($(#[$field_doc])* $field : $type,)*
            }
        }
    };
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$field_doc:meta])* $field:ident : $type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The order.
            pub order_id: $crate::value::id::OrderId,
            /// Its number, as the customer knows it.
            pub order_number: $crate::value::id::OrderNumber,
            /// The customer's account.
            pub user_id: $crate::value::id::UserId,
            /// The order's status after this event.
            pub status: $crate::order::Status,
            /// Every line of the order.
            pub items: Vec<$crate::event::OrderLine>,
            $($(#[$field_doc])* pub $field : $type,)*
        }
    };
}

/// Fills a payload in: `about!(order, OrderShippedEvent with customer { … })`.
macro_rules! about {
    ($order:expr, $name:ident with customer { $($field:ident : $value:expr),* $(,)? }) => {
        about!($order, $name { customer_details: (&$order.customer).into(), $($field : $value),* })
    };
    ($order:expr, $name:ident { $($field:ident : $value:expr),* $(,)? }) => {
        $name {
            order_id: $order.id.clone(),
            order_number: $order.order_number.clone(),
            user_id: $order.customer.id.clone(),
            status: $order.status,
            items: $crate::event::OrderLine::all(&$order),
            $($field : $value),*
        }
    };
}

pub(crate) use {about, order_event};
