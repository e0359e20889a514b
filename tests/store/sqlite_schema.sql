CREATE TRIGGER account_enrolled AFTER UPDATE OF enrolled_at ON accounts
WHEN (old.enrolled_at IS NULL) <> (new.enrolled_at IS NULL) BEGIN
    UPDATE tallies SET enrolled = enrolled + iif(new.enrolled_at IS NULL, -1, 1) WHERE organization = new.organization;
END;
CREATE TRIGGER account_made AFTER INSERT ON accounts BEGIN
    INSERT INTO tallies VALUES (new.organization, 1, new.enrolled_at IS NOT NULL, 0)
    ON CONFLICT DO UPDATE SET accounts = accounts + 1, enrolled = enrolled + excluded.enrolled;
    INSERT INTO accounts_search (rowid, listing) VALUES (new.id, new.listing);
END;
CREATE TRIGGER account_renamed AFTER UPDATE OF listing ON accounts BEGIN
    INSERT INTO accounts_search (accounts_search, rowid, listing) VALUES ('delete', old.id, old.listing);
    INSERT INTO accounts_search (rowid, listing) VALUES (new.id, new.listing);
END;
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations,
    user_id TEXT NOT NULL,
    email TEXT,
    name TEXT,
    listing TEXT NOT NULL,
    reset_at INTEGER,
    key_number INTEGER NOT NULL DEFAULT 0,
    secret BLOB,
    enrolled_at INTEGER,
    last_step INTEGER,
    last_used INTEGER,
    UNIQUE (organization, user_id),
    CHECK ((secret IS NULL) = (enrolled_at IS NULL) AND (secret IS NULL) = (last_step IS NULL)),
    CHECK (secret IS NULL OR reset_at IS NULL),
    CHECK (secret IS NOT NULL OR last_used IS NULL)
) STRICT;
CREATE INDEX accounts_by_listing ON accounts (listing);
CREATE INDEX accounts_by_organization ON accounts (organization, listing);
CREATE INDEX accounts_enrolled ON accounts (organization, listing) WHERE enrolled_at IS NOT NULL;
CREATE VIRTUAL TABLE accounts_search USING fts5(
    listing, content = 'accounts', content_rowid = 'id', tokenize = 'trigram case_sensitive 1', detail = 'none', columnsize = 0
);
CREATE TABLE 'accounts_search_config'(k PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE 'accounts_search_data'(id INTEGER PRIMARY KEY, block BLOB);
CREATE TABLE 'accounts_search_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
CREATE TABLE alarms (
    kind TEXT NOT NULL,
    about INTEGER NOT NULL,
    raised INTEGER NOT NULL,
    PRIMARY KEY (kind, about)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarms_by_age ON alarms (raised);
CREATE TRIGGER entry_gone AFTER DELETE ON audit BEGIN
    UPDATE tallies SET entries = entries - 1 WHERE organization = old.organization;
END;
CREATE TRIGGER entry_written AFTER INSERT ON audit BEGIN
    INSERT INTO tallies VALUES (new.organization, 0, 0, 1) ON CONFLICT DO UPDATE SET entries = entries + 1;
END;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL CHECK (actor IN ('account', 'operator', 'gateway')),
    actor_account INTEGER,
    actor_name TEXT,
    subject INTEGER,
    subject_name TEXT,
    organization INTEGER NOT NULL,
    organization_name TEXT NOT NULL,
    address TEXT,
    request TEXT,
    CHECK ((actor = 'account') = (actor_account IS NOT NULL))
) STRICT;
CREATE INDEX audit_by_organization ON audit (organization);
CREATE INDEX audit_by_subject ON audit (subject) WHERE subject IS NOT NULL;
CREATE TABLE audit_chain (
    place INTEGER PRIMARY KEY,
    entry INTEGER NOT NULL UNIQUE,
    link BLOB NOT NULL
) STRICT;
CREATE TABLE audit_chain_ends (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    place INTEGER NOT NULL,
    link BLOB NOT NULL,
    settled INTEGER NOT NULL,
    cut INTEGER,
    cut_link BLOB,
    cut_seal BLOB,
    CHECK ((cut IS NULL) = (cut_link IS NULL) AND (cut IS NULL) = (cut_seal IS NULL))
) STRICT;
CREATE TABLE changes (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    account INTEGER,
    organization INTEGER,
    session BLOB,
    CHECK ((account IS NOT NULL) + (organization IS NOT NULL) + (session IS NOT NULL) = 1)
) STRICT;
CREATE TABLE failed_tries (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts,
    bucket TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX failed_tries_by_account ON failed_tries (account, bucket, at);
CREATE INDEX failed_tries_by_age ON failed_tries (at);
CREATE TABLE failures_in_a_row (
    account INTEGER NOT NULL REFERENCES accounts,
    bucket TEXT NOT NULL,
    failures INTEGER NOT NULL CHECK (failures > 0),
    PRIMARY KEY (account, bucket)
) STRICT, WITHOUT ROWID;
CREATE TABLE key_check (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    sealed BLOB NOT NULL
) STRICT;
CREATE TABLE organizations (
    id INTEGER PRIMARY KEY,
    realm TEXT NOT NULL,
    name TEXT NOT NULL,
    requirement TEXT NOT NULL CHECK (requirement IN ('required', 'optional')),
    UNIQUE (realm, name)
) STRICT;
CREATE TABLE pending_enrollments (
    session BLOB PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts,
    secret BLOB NOT NULL,
    started INTEGER NOT NULL,
    replaces INTEGER
, ticket BLOB) STRICT, WITHOUT ROWID;
CREATE INDEX pending_enrollments_by_account ON pending_enrollments (account);
CREATE INDEX pending_enrollments_by_age ON pending_enrollments (started);
CREATE TABLE pending_sessions (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    account INTEGER NOT NULL REFERENCES accounts,
    binding BLOB,
    opened INTEGER NOT NULL
, network TEXT) STRICT;
CREATE INDEX pending_sessions_by_account ON pending_sessions (account, opened);
CREATE INDEX pending_sessions_by_age ON pending_sessions (opened);
CREATE TABLE readiness (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    checks INTEGER NOT NULL
) STRICT;
CREATE TABLE recovery_codes (
    account INTEGER NOT NULL REFERENCES accounts,
    digest BLOB NOT NULL,
    PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    account INTEGER NOT NULL REFERENCES accounts,
    binding BLOB,
    verified_by TEXT NOT NULL CHECK (verified_by IN ('totp', 'recovery-code')),
    verified_at INTEGER NOT NULL,
    code_at INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    address TEXT,
    browser TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_account ON sessions (account);
CREATE INDEX sessions_by_age ON sessions (verified_at);
CREATE INDEX sessions_by_use ON sessions (last_seen);
CREATE TABLE sqlite_sequence(name,seq);
CREATE TABLE tallies (
    organization INTEGER PRIMARY KEY,
    accounts INTEGER NOT NULL,
    enrolled INTEGER NOT NULL,
    entries INTEGER NOT NULL
) STRICT;
CREATE TABLE tickets (
    account INTEGER PRIMARY KEY REFERENCES accounts,
    digest BLOB NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX tickets_by_age ON tickets (expires);
