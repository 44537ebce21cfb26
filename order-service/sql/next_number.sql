-- The number of the next order.
SELECT nextval('order_service.order_numbers')
