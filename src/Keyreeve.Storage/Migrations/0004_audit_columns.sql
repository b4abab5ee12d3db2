-- What the audit is searched by. Lines from before this step get them by a backfill; a line without them is whole, it is only not found by a list.
-- "at" is in Unix milliseconds. Three indexes and no more: each is paid for by every code and every refresh. Other filters look at the lines of a time.

ALTER TABLE audit ADD COLUMN at BIGINT;
ALTER TABLE audit ADD COLUMN subject TEXT;
ALTER TABLE audit ADD COLUMN client_id TEXT;

CREATE INDEX audit_at ON audit (at, node, seq) WHERE at IS NOT NULL;
CREATE INDEX audit_subject ON audit (subject, at, node, seq) WHERE subject IS NOT NULL;
CREATE INDEX audit_client ON audit (client_id, at, node, seq) WHERE client_id IS NOT NULL;
