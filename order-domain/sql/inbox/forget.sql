-- Takes a mark away, so that the message is handled once more. $1 the consumer's name, $2 the message's id.
DELETE FROM inbox.handled_messages WHERE consumer = $1 AND message_id = $2
