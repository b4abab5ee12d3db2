-- What is good once, where several nodes must know of it.

-- Key requests that were accepted. Unlogged where the engine can: no log, no waiting for a disk, empty after a crash of the database; the one row of the
-- horizon then is missing too, and what may have been here is refused by its date.
CREATE /* UNLOGGED */ TABLE km_requests_seen (
    a BIGINT NOT NULL, -- 128 bits of the request's hash
    b BIGINT NOT NULL,
    dated BIGINT NOT NULL, -- Unix seconds
    PRIMARY KEY (a, b)
);
CREATE INDEX km_requests_seen_dated ON km_requests_seen (dated);

CREATE /* UNLOGGED */ TABLE km_requests_horizon (
    id BIGINT NOT NULL PRIMARY KEY,
    refused_until BIGINT NOT NULL -- Unix seconds
);
INSERT INTO km_requests_horizon (id, refused_until) VALUES (1, 0);

-- Client assertions that were used; these must survive everything until they have expired.
CREATE TABLE used_assertions (
    client_id TEXT NOT NULL,
    jti BYTEA NOT NULL, -- SHA-256
    expires_at BIGINT NOT NULL, -- Unix seconds
    PRIMARY KEY (client_id, jti)
);
CREATE INDEX used_assertions_expiry ON used_assertions (expires_at);
