-- What the built-in authorities have issued and revoked, and their lists of revoked certificates (RFC 5280 5).
CREATE TABLE issued_certificates (
    serial TEXT NOT NULL PRIMARY KEY, -- lower-case hexadecimal
    authority TEXT NOT NULL,
    client_id TEXT, -- whose; it may outlive the client
    name TEXT NOT NULL,
    thumbprint TEXT NOT NULL,
    pem TEXT NOT NULL,
    not_before BIGINT NOT NULL, -- Unix seconds, as the others
    not_after BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    replaced_by TEXT,
    revoked_at BIGINT,
    reason BIGINT -- CRLReason
);
CREATE INDEX issued_certificates_client ON issued_certificates (client_id, serial);
CREATE INDEX issued_certificates_end ON issued_certificates (not_after);
CREATE INDEX issued_certificates_revoked ON issued_certificates (authority, revoked_at);

CREATE TABLE revocation_lists (
    authority TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL, -- cRLNumber: one more with each list
    der BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    next_update BIGINT NOT NULL
);

-- SEAL-S: certificate and token are both demanded; and whose certificate holds a name.
ALTER TABLE clients ADD COLUMN require_certificate BIGINT NOT NULL DEFAULT 0;
CREATE INDEX clients_tls_name ON clients (lower(tls_name));
