-- Opens the transaction of all migrations. Their lock is taken next; several may start at once.
BEGIN;
SET LOCAL lock_timeout = '30s'
