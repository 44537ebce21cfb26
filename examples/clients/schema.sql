-- What the writers and consumers of examples/clients work on, beside the outbox and the inbox: a service's orders, and what consumers did.
CREATE TABLE orders (
    id      text    PRIMARY KEY,
    version integer NOT NULL,
    total   numeric(12, 2) NOT NULL
);

CREATE TABLE effects (
    n          bigint  PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    consumer   text    NOT NULL,
    order_id   text    NOT NULL,
    version    integer NOT NULL,
    event_type text    NOT NULL,
    total      numeric(12, 2) NOT NULL,
    trace_id   text    NOT NULL
);

-- The first two attempts of every consumer at the third event of order-1 fail: a sequence does not roll back.
CREATE SEQUENCE failures;
CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.order_id = 'order-1' AND NEW.version = 3 AND nextval('failures') <= 2 THEN
        RAISE EXCEPTION 'the warehouse is closed';
    END IF;
    RETURN NEW;
END
$body$;
CREATE TRIGGER fail_twice BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION fail_twice();
