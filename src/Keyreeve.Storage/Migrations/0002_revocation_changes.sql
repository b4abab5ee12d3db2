-- The version of the topic at which a row was added or widened: a node loads what it has not seen, not the whole list.
ALTER TABLE revocations ADD COLUMN changed_in BIGINT NOT NULL DEFAULT 0;
CREATE INDEX revocations_changes ON revocations (changed_in);
