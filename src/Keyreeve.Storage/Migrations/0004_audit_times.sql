-- What the audit is listed by, in Unix milliseconds. Lines from before this step get it by a backfill; a line without it is whole, it
-- is only not found by a list. One index, and one that grows at its end: each is paid for by every token. Other filters read the
-- lines of the time.

ALTER TABLE audit ADD COLUMN at BIGINT;

CREATE INDEX audit_at ON audit (at, node, seq) WHERE at IS NOT NULL;
