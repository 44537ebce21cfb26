-- Notes flows that were confirmed. Beyond 10,000 of them no more are: whoever lets strangers name event types would fill the table.
-- Arrays of: $1 exchange, $2 template. In the order of the key, so that two relays that note the same do not wait for each other.
INSERT INTO outbox.flows AS f (exchange, template)
SELECT n.exchange, n.template
FROM unnest($1::text[], $2::text[]) AS n (exchange, template)
WHERE (SELECT count(*) FROM (SELECT FROM outbox.flows LIMIT 10000) counted) < 10000
ORDER BY n.exchange, n.template
ON CONFLICT (exchange, template) DO NOTHING
