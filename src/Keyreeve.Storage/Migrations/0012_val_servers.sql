-- What VAL servers provision (TS 29.549 SS_IdmParameterProvisioning) and the profiles they ask for (SS_UserProfileRetrieval).
CREATE TABLE val_configurations (
    config_id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL, -- the VAL server that provisioned it
    supp_feat TEXT,
    version BIGINT NOT NULL
);
CREATE INDEX val_configurations_client ON val_configurations (client_id, config_id);

-- One row is one VAL service for one VAL user or VAL UE. It is looked up by who they are, so that a user who gets the VAL user ID later has it too.
CREATE TABLE val_configuration_ids (
    config_id TEXT NOT NULL REFERENCES val_configurations (config_id) ON DELETE CASCADE,
    service_id TEXT NOT NULL,
    identity_kind BIGINT NOT NULL,
    identity_value TEXT NOT NULL,
    place BIGINT NOT NULL, -- its place in the document
    PRIMARY KEY (config_id, service_id, identity_kind, identity_value)
);
CREATE INDEX val_configuration_ids_identity ON val_configuration_ids (identity_kind, identity_value, service_id);
CREATE INDEX val_configuration_ids_service ON val_configuration_ids (service_id);
CREATE INDEX users_val_user_id ON users (val_user_id);

CREATE TABLE val_profiles (
    service_id TEXT NOT NULL,
    identity_kind BIGINT NOT NULL,
    identity_value TEXT NOT NULL,
    sealed_document BYTEA NOT NULL,
    updated_at BIGINT NOT NULL, -- Unix seconds
    version BIGINT NOT NULL,
    PRIMARY KEY (service_id, identity_kind, identity_value)
);
CREATE INDEX val_profiles_identity ON val_profiles (identity_kind, identity_value);
