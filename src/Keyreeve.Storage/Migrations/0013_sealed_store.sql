-- Key material in versions, each sealed by a key of its own; that wrapped by its VAL service's, that by a root, and the root under a seal.
CREATE TABLE seal_roots (
    version BIGINT NOT NULL PRIMARY KEY,
    method BIGINT NOT NULL, -- 1 KEK, 2 key file, 3 passphrase, 4 shares, 5 the next root
    wrapped_root BYTEA NOT NULL,
    by_former BYTEA NOT NULL, -- the same sealed by the root before, for nodes that have that one open; or empty
    parameters TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE service_keks (
    service_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    root_version BIGINT NOT NULL,
    wrapped_key BYTEA NOT NULL, -- empty when it was destroyed
    created_at BIGINT NOT NULL,
    destroyed_at BIGINT NOT NULL,
    cleared BIGINT NOT NULL, -- 1 when nothing is left of what a destroyed key wrapped
    PRIMARY KEY (service_id, version)
);

CREATE TABLE key_versions (
    service_id TEXT NOT NULL,
    identity_kind BIGINT NOT NULL,
    identity_value TEXT NOT NULL,
    number BIGINT NOT NULL,
    activates_at BIGINT NOT NULL, -- this and all below Unix seconds
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    kek_version BIGINT NOT NULL, -- 0: sealed by the KEK, as sealed_payload was
    wrapped_key BYTEA NOT NULL,
    ciphertext BYTEA NOT NULL,
    PRIMARY KEY (service_id, identity_kind, identity_value, number)
);

-- sealed_payload is emptied by backfill 2, which makes a version of it.
ALTER TABLE key_records ADD COLUMN latest BIGINT NOT NULL DEFAULT 0;
ALTER TABLE key_records ADD COLUMN removed_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX key_records_removed ON key_records (removed_at) WHERE removed_at > 0;
CREATE INDEX key_versions_legacy ON key_versions (service_id) WHERE kek_version = 0;
