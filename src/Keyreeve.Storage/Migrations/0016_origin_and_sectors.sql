-- Where a trusted issuer is asked about its tokens (RFC 7662), and under which sector a client knows its users (OpenID Connect Core 8.1).
ALTER TABLE trusted_issuers ADD COLUMN origin_uri TEXT;
ALTER TABLE trusted_issuers ADD COLUMN origin_client TEXT;
ALTER TABLE trusted_issuers ADD COLUMN sealed_origin_secret BYTEA;
ALTER TABLE trusted_issuers ADD COLUMN token_seconds BIGINT;
ALTER TABLE clients ADD COLUMN sector TEXT;
