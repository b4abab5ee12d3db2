-- The few records whose own row a key request must see: removed ones, and those whose payload still lies in it. Of all others the versions are enough.
CREATE INDEX key_records_to_look_at ON key_records (service_id, identity_kind, identity_value) WHERE removed_at > 0 OR length(sealed_payload) > 0;
