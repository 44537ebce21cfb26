-- The same lock as in lock_tables for the table of the floors. A relay may update only one of its columns, which LOCK TABLE does not accept and an
-- UPDATE of nothing does.
UPDATE outbox.lanes SET floor = floor WHERE false
