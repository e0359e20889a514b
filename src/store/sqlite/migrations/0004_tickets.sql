-- Enrollment tickets that are open: one for an account, which has no key yet. It is gone when it was used.
CREATE TABLE tickets (
    account INTEGER PRIMARY KEY REFERENCES accounts,
    digest BLOB NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX tickets_by_age ON tickets (expires);

-- The digest of the ticket that an enrollment was started with; none where it took no ticket.
ALTER TABLE pending_enrollments ADD COLUMN ticket BLOB;
