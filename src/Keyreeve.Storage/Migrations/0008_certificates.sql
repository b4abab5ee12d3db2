-- Certificates of clients (RFC 8705): the name that one must hold, and which one a grant was last refreshed with.
ALTER TABLE clients ADD COLUMN tls_name TEXT; -- KIND:VALUE, as san_dns:val.example
ALTER TABLE refresh_families ADD COLUMN bound_to TEXT; -- SHA-256 of the certificate in base64url
