-- The types are those SQLite and PostgreSQL share: TEXT, BIGINT, BYTEA. Truth values are 0 and 1. Lists are JSON text unless they
-- are looked up. Texts compare octet by octet (on PostgreSQL the engine makes each TEXT
-- of a CREATE or ALTER TABLE a TEXT COLLATE "C", whatever the database's locale is). A statement ends with a semicolon at the end of a line.

CREATE TABLE users (
    subject TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    normalized_name TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    security_stamp TEXT NOT NULL,
    display_name TEXT,
    email TEXT,
    val_user_id TEXT,
    val_ue_id TEXT,
    disabled BIGINT NOT NULL,
    failed_logins BIGINT NOT NULL,
    lock_count BIGINT NOT NULL,
    locked_until BIGINT NOT NULL, -- Unix milliseconds
    version BIGINT NOT NULL
);

-- "never reassigned" (TS 33.434 table A.2.1.2-1): a removed subject stays here for ever.
CREATE TABLE subject_tombstones (
    subject TEXT NOT NULL PRIMARY KEY,
    removed_at BIGINT NOT NULL -- Unix milliseconds
);

CREATE TABLE user_services (
    subject TEXT NOT NULL REFERENCES users (subject) ON DELETE CASCADE,
    service_id TEXT NOT NULL,
    PRIMARY KEY (subject, service_id)
);

CREATE TABLE val_services (
    service_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    audience TEXT NOT NULL,
    version BIGINT NOT NULL
);

CREATE TABLE devices (
    val_ue_id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);

CREATE TABLE device_services (
    val_ue_id TEXT NOT NULL REFERENCES devices (val_ue_id) ON DELETE CASCADE,
    service_id TEXT NOT NULL,
    PRIMARY KEY (val_ue_id, service_id)
);

CREATE TABLE clients (
    client_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    profile TEXT NOT NULL,
    auth_methods TEXT NOT NULL,
    secrets TEXT NOT NULL,
    jwks TEXT,
    redirect_uris TEXT NOT NULL,
    grants TEXT NOT NULL,
    scopes TEXT NOT NULL,
    pkce_optional BIGINT NOT NULL,
    consent TEXT NOT NULL,
    audience TEXT,
    owned_services TEXT NOT NULL,
    id_token_algorithm TEXT NOT NULL,
    access_token_seconds BIGINT,
    disabled BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- One certificate names one client, or authentication by it would be a guess.
CREATE TABLE client_certificates (
    thumbprint TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    place BIGINT NOT NULL
);
CREATE INDEX client_certificates_client ON client_certificates (client_id);

CREATE TABLE authorization_codes (
    hash BYTEA NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    redirect_uri_sent BIGINT NOT NULL,
    challenge TEXT,
    nonce TEXT,
    scope TEXT NOT NULL,
    auth_time BIGINT NOT NULL,
    acr TEXT NOT NULL,
    amr TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    session_id TEXT,
    expires_at BIGINT NOT NULL, -- Unix seconds
    redeemed_at BIGINT NOT NULL -- Unix seconds
);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

CREATE TABLE refresh_families (
    family_id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    scope TEXT NOT NULL,
    auth_time BIGINT NOT NULL,
    acr TEXT NOT NULL,
    amr TEXT NOT NULL,
    session_id TEXT,
    generation BIGINT NOT NULL,
    current_hash BYTEA NOT NULL,
    previous_hash BYTEA,
    sealed_successor BYTEA,
    rotated_at BIGINT NOT NULL, -- this and all below Unix milliseconds
    reuses BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    absolute_expires_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL
);
CREATE INDEX refresh_families_expiry ON refresh_families (idle_expires_at);
CREATE INDEX refresh_families_subject ON refresh_families (subject);
CREATE INDEX refresh_families_client ON refresh_families (client_id);

CREATE TABLE consents (
    subject TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (subject, client_id)
);
CREATE INDEX consents_client ON consents (client_id);

CREATE TABLE login_sessions (
    hash BYTEA NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    security_stamp TEXT NOT NULL,
    auth_time BIGINT NOT NULL,
    acr TEXT NOT NULL,
    amr TEXT NOT NULL,
    expires_at BIGINT NOT NULL -- Unix milliseconds
);
CREATE INDEX login_sessions_expiry ON login_sessions (expires_at);
CREATE INDEX login_sessions_subject ON login_sessions (subject);

CREATE TABLE signing_keys (
    key_id TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    generation BIGINT NOT NULL,
    sealed_private_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL, -- times in Unix seconds
    activates_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked BIGINT NOT NULL,
    UNIQUE (algorithm, generation)
);

CREATE TABLE revocations (
    kind BIGINT NOT NULL,
    value TEXT NOT NULL,
    issued_until BIGINT NOT NULL, -- Unix seconds
    keep_until BIGINT NOT NULL, -- Unix seconds
    PRIMARY KEY (kind, value)
);
CREATE INDEX revocations_expiry ON revocations (keep_until);

CREATE TABLE sealed_values (
    name TEXT NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE key_records (
    service_id TEXT NOT NULL,
    identity_kind BIGINT NOT NULL,
    identity_value TEXT NOT NULL,
    sealed_payload BYTEA NOT NULL,
    updated_at BIGINT NOT NULL, -- Unix seconds
    version BIGINT NOT NULL,
    PRIMARY KEY (service_id, identity_kind, identity_value)
);

CREATE TABLE audit (
    node TEXT NOT NULL,
    seq BIGINT NOT NULL,
    json BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (node, seq)
);

CREATE TABLE audit_heads (
    node TEXT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL
);

CREATE TABLE topic_versions (
    topic BIGINT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);
