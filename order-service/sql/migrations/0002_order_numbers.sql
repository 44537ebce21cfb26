-- Numbers that people use for orders. A transaction that ends without its order leaves a gap.
CREATE SEQUENCE IF NOT EXISTS order_service.order_numbers AS bigint
