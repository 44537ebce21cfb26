-- For the job that looks again at orders that were placed without a check.
CREATE INDEX IF NOT EXISTS unverified_reviews ON order_service.reviews (id) WHERE reason IN ('PRICE_UNVERIFIED', 'USER_UNVERIFIED')
