-- Second factors, passkeys and what the account page shows.
ALTER TABLE users ADD COLUMN must_change_password BIGINT NOT NULL DEFAULT 0;
ALTER TABLE login_sessions ADD COLUMN methods TEXT NOT NULL DEFAULT 'password';
ALTER TABLE login_sessions ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0; -- Unix milliseconds, as all times below
ALTER TABLE login_sessions ADD COLUMN browser TEXT NOT NULL DEFAULT '';
ALTER TABLE consents ADD COLUMN shown TEXT NOT NULL DEFAULT '[]';
ALTER TABLE refresh_families ADD COLUMN started_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE val_services ADD COLUMN acr_values TEXT NOT NULL DEFAULT '["3gpp:acr:password"]';
ALTER TABLE clients ADD COLUMN minimum_acr TEXT;

CREATE TABLE totp_secrets (
    subject TEXT NOT NULL PRIMARY KEY REFERENCES users (subject) ON DELETE CASCADE,
    sealed_secret BYTEA NOT NULL,
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE passkeys (
    credential_id BYTEA NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL REFERENCES users (subject) ON DELETE CASCADE,
    name TEXT NOT NULL,
    public_key BYTEA NOT NULL,
    sign_count BIGINT NOT NULL,
    transports TEXT NOT NULL,
    user_verified BIGINT NOT NULL,
    backup_eligible BIGINT NOT NULL,
    backed_up BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);
CREATE INDEX passkeys_subject ON passkeys (subject);

CREATE TABLE recovery_codes (
    subject TEXT NOT NULL REFERENCES users (subject) ON DELETE CASCADE,
    hash BYTEA NOT NULL,
    PRIMARY KEY (subject, hash)
);

CREATE TABLE second_factor_attempts (
    subject TEXT NOT NULL PRIMARY KEY REFERENCES users (subject) ON DELETE CASCADE,
    attempts BIGINT NOT NULL,
    next_lock BIGINT NOT NULL, -- milliseconds
    locked_until BIGINT NOT NULL
);

-- Half-done logins that were finished: each once.
CREATE TABLE used_marks (
    mark BYTEA NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX used_marks_expiry ON used_marks (expires_at);
