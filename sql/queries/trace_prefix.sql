-- Events and dead letters whose ids lie in this range: those that begin with the same digits. At most 6.
-- $1 first id, $2 last id.
SELECT id
FROM ((SELECT id FROM outbox.events WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT 6)
      UNION
      (SELECT id FROM outbox.dead_letters WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT 6)) found
ORDER BY id
LIMIT 6
