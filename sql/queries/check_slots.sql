-- Replication slots that keep vacuum from removing old rows.
SELECT slot_name::text AS name, active, greatest(age(xmin), age(catalog_xmin)) AS transactions
FROM pg_replication_slots
WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
ORDER BY 3 DESC
LIMIT 5
