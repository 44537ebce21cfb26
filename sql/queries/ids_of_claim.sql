-- Which events a claim would read, without reading them: the planner leaves out every expression that nobody asks for. The program puts a
-- claim's statement in place of the parentheses; the parameters are that statement's.
SELECT found.id FROM (the_claim) found
