-- Alarms about guessing, so that each is raised once in its span: by whichever process comes first. `kind` is the word of the
-- event, `about` the number of the account or the organization, `raised` when that was last done.
CREATE TABLE alarms (
    kind TEXT NOT NULL,
    about INTEGER NOT NULL,
    raised INTEGER NOT NULL,
    PRIMARY KEY (kind, about)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarms_by_age ON alarms (raised);
