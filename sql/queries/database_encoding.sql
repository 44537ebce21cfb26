-- The database's encoding: only UTF8 makes sure that every text can be delivered.
SELECT getdatabaseencoding()::text
