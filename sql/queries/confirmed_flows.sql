-- Which of these flows were ever confirmed.
-- Arrays of: $1 exchange, $2 template.
SELECT f.exchange, f.template
FROM unnest($1::text[], $2::text[]) AS asked (exchange, template)
JOIN outbox.flows f ON f.exchange = asked.exchange AND f.template = asked.template
