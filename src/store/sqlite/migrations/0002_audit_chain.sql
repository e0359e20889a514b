-- The chain of the audit log. An entry gets its place some time after it was written, and is not touched for that: nothing
-- here has to be made for the entries that are there already, and programs that know nothing of it go on as before.

CREATE TABLE audit_chain (
    place INTEGER PRIMARY KEY,
    entry INTEGER NOT NULL UNIQUE,
    link BLOB NOT NULL
) STRICT;

-- One row, once an entry is linked. `place` and `link` are the last of the chain; the `cut` is the last place that was
-- deleted, its link, and what vouches for that. Every entry with a number up to `settled` has its place.
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
