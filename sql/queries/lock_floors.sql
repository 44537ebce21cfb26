-- The same lock as in lock_tables for the table of the floors, of which a relay may update only a column: LOCK TABLE does not accept that, an
-- UPDATE of nothing does.
UPDATE outbox.lanes SET floor = floor WHERE false
