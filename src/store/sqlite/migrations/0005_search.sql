-- Lists of millions: how long each is, and who has three letters in a row, are known without looking at all of it. Triggers
-- see to that, so that it holds whichever program writes.

CREATE TABLE tallies (
    organization INTEGER PRIMARY KEY,
    accounts INTEGER NOT NULL,
    enrolled INTEGER NOT NULL,
    entries INTEGER NOT NULL
) STRICT;
INSERT INTO tallies
SELECT organization, sum(accounts), sum(enrolled), sum(entries)
FROM (SELECT organization, count(*) AS accounts, count(enrolled_at) AS enrolled, 0 AS entries FROM accounts GROUP BY 1
      UNION ALL SELECT organization, 0, 0, count(*) FROM audit GROUP BY 1)
GROUP BY organization;

-- Keeps no text of its own, and no places within a text: for each three letters the accounts that have them.
CREATE VIRTUAL TABLE accounts_search USING fts5(
    listing, content = 'accounts', content_rowid = 'id', tokenize = 'trigram case_sensitive 1', detail = 'none', columnsize = 0
);
INSERT INTO accounts_search (accounts_search) VALUES ('rebuild');

CREATE TRIGGER account_made AFTER INSERT ON accounts BEGIN
    INSERT INTO tallies VALUES (new.organization, 1, new.enrolled_at IS NOT NULL, 0)
    ON CONFLICT DO UPDATE SET accounts = accounts + 1, enrolled = enrolled + excluded.enrolled;
    INSERT INTO accounts_search (rowid, listing) VALUES (new.id, new.listing);
END;
CREATE TRIGGER account_renamed AFTER UPDATE OF listing ON accounts BEGIN
    INSERT INTO accounts_search (accounts_search, rowid, listing) VALUES ('delete', old.id, old.listing);
    INSERT INTO accounts_search (rowid, listing) VALUES (new.id, new.listing);
END;
CREATE TRIGGER account_enrolled AFTER UPDATE OF enrolled_at ON accounts
WHEN (old.enrolled_at IS NULL) <> (new.enrolled_at IS NULL) BEGIN
    UPDATE tallies SET enrolled = enrolled + iif(new.enrolled_at IS NULL, -1, 1) WHERE organization = new.organization;
END;
CREATE TRIGGER entry_written AFTER INSERT ON audit BEGIN
    INSERT INTO tallies VALUES (new.organization, 0, 0, 1) ON CONFLICT DO UPDATE SET entries = entries + 1;
END;
CREATE TRIGGER entry_gone AFTER DELETE ON audit BEGIN
    UPDATE tallies SET entries = entries - 1 WHERE organization = old.organization;
END;
