-- Families of a user, hour by hour of their absolute end. An index of users alone has the rows of one time all over it, and whoever deletes
-- what has expired writes a page of it for each row; this one has them together. A user's families are looked for in each hour that
-- there is (FamilyTable.OfSubject).

CREATE INDEX refresh_families_hour ON refresh_families ((absolute_expires_at / 3600000), subject);
DROP INDEX refresh_families_subject;
