-- Makes claims walk the pending index in order and stop at their limit. A bitmap first reads everything pending in a lane; the planner
-- prefers one if its statistics are from a time when there was little.
SET LOCAL enable_bitmapscan = off
