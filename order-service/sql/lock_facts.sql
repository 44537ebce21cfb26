-- Facts of one order (or product) come one after the other, without a lock on the order itself: until the transaction ends.
-- $1 order or product id.
SELECT pg_advisory_xact_lock(hashtextextended($1::text, hashtextextended('order_service.facts', 0)))
