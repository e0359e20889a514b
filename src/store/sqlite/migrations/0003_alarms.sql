-- Alarms about guessing, so that each is raised once in its span: by whichever process comes first. `kind` is the word of the
-- event, `about` the number of the account or the organization, `raised` when that was last done.
CREATE TABLE alarms (
    kind TEXT NOT NULL,
    about INTEGER NOT NULL,
    raised INTEGER NOT NULL,
    PRIMARY KEY (kind, about)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarms_by_age ON alarms (raised);

-- From which network it was opened, as far as that is known: where an account has too many, those of the network that has
-- the most make room.
ALTER TABLE pending_sessions ADD COLUMN network TEXT;
