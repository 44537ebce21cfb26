-- Claims walk the pending index in its order and stop at their limit. A bitmap reads all that is pending in a lane first; the planner
-- prefers it where its statistics are of a time when there was little.
SET LOCAL enable_bitmapscan = off
