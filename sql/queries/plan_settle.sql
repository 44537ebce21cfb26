-- What follows the claim is planned as ever: ending waits looks into two indexes, which without a bitmap is a look at every row (measured:
-- 16 ms instead of 0.6 ms with 100,000 waiting keys).
SET LOCAL enable_bitmapscan = DEFAULT
