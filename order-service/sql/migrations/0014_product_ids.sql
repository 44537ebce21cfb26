-- The products of a stored order, for the index below.
CREATE OR REPLACE FUNCTION order_service.product_ids(body json) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT coalesce(array_agg(DISTINCT line -> 'item' ->> 'productId'), '{}') FROM json_array_elements(body -> 'lines') AS line $$
