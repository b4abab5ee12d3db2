-- The resource servers of a grant (RFC 8707), a list; NULL for all that its scopes open.
ALTER TABLE authorization_codes ADD COLUMN resources TEXT;
ALTER TABLE refresh_families ADD COLUMN resources TEXT;
