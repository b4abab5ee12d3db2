-- What must reach other parties. Times Unix milliseconds.

-- One row for each receiver. A message takes its number here, and the row stays locked until the message's transaction ends: so the
-- order of numbers is the order of commits, and nothing that commits later can get a lower number.
CREATE TABLE outbox_receivers (
    receiver TEXT NOT NULL PRIMARY KEY,
    last_seq BIGINT NOT NULL,
    waiting BIGINT NOT NULL,
    dropped BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    last_outcome TEXT,
    touched_at BIGINT NOT NULL
);
CREATE INDEX outbox_receivers_due ON outbox_receivers (next_attempt_at) WHERE waiting > 0;

CREATE TABLE outbox (
    receiver TEXT NOT NULL,
    seq BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    url TEXT NOT NULL,
    content_type TEXT NOT NULL,
    form BIGINT NOT NULL,
    body BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (receiver, seq)
);
CREATE INDEX outbox_expiry ON outbox (expires_at);
