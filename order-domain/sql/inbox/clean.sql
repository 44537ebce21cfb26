-- Deletes one chunk of old marks, the oldest first; marks that another clean-up is at are left to it. $1 the age in seconds, $2 how many at
-- most.
WITH old AS MATERIALIZED (
    SELECT consumer, message_id
    FROM inbox.handled_messages
    WHERE handled_at < now() - make_interval(secs => $1)
    ORDER BY handled_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
DELETE FROM inbox.handled_messages AS mark
USING old
WHERE (mark.consumer, mark.message_id) = (old.consumer, old.message_id)
