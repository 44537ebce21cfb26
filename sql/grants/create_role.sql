-- Creates a login role if it does not exist. It has no password: set one with ALTER ROLE, or let it log in by certificate or IAM.
DO $create$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'the_role') THEN
        CREATE ROLE the_role LOGIN;
    END IF;
END
$create$;
