-- The roles of compose.yaml, made by PostgreSQL's image when its volume is new. The owner makes the tables; the service writes, the relay
-- relays, the operators replay, each with what `outbox-relay migrate --grants` gives it and nothing else. Passwords for a laptop.
CREATE ROLE shop LOGIN PASSWORD 'shop';
CREATE ROLE relay LOGIN PASSWORD 'relay';
CREATE ROLE ops LOGIN PASSWORD 'ops';
