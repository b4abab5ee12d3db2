-- What RFC 7591, RFC 8705, RFC 9126 and OpenID Connect RP-Initiated Logout 1.0 let a client register beyond the foundation.
ALTER TABLE clients ADD COLUMN description TEXT;
ALTER TABLE clients ADD COLUMN website TEXT;
ALTER TABLE clients ADD COLUMN logo_uri TEXT;
ALTER TABLE clients ADD COLUMN policy_uri TEXT;
ALTER TABLE clients ADD COLUMN terms_uri TEXT;
ALTER TABLE clients ADD COLUMN jwks_uri TEXT;
ALTER TABLE clients ADD COLUMN post_logout_redirect_uris TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN bound_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN require_pushed_requests BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN encrypt_access_tokens BIGINT NOT NULL DEFAULT 0;
