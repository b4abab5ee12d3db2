-- Whose tokens count here beside our own (RFC 7523, RFC 8693), and what registrations say of exchanged and encrypted tokens.
CREATE TABLE trusted_issuers (
    issuer TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    jwks TEXT,
    jwks_uri TEXT,
    algorithms TEXT NOT NULL,
    scopes TEXT NOT NULL,
    clients TEXT NOT NULL,
    links TEXT NOT NULL, -- a JSON object, from their subject to ours
    federated BIGINT NOT NULL,
    acr TEXT NOT NULL,
    disabled BIGINT NOT NULL,
    version BIGINT NOT NULL
);
ALTER TABLE clients ADD COLUMN may_impersonate BIGINT NOT NULL DEFAULT 0;
CREATE INDEX clients_audience ON clients (audience);
