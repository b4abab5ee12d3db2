-- End-to-end protection of key management (TS 33.434 5.3.2, 5.3.3), and where the owner of a VAL service is told of failed key requests.
ALTER TABLE clients ADD COLUMN signed_key_requests BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN encrypted_key_material BIGINT NOT NULL DEFAULT 0;
ALTER TABLE val_services ADD COLUMN key_failures_uri TEXT;
