-- What lists are made of: the columns of an account by which it is found in one. Each sign-in writes to its account, and where
-- a page of a table was written to since it was last vacuumed, its indexes do not tell alone who is there: the server looks at
-- each row. Here only what changes a list writes. Whoever writes to `accounts` has that done, programs that know nothing of
-- it as well.
CREATE TABLE listings (
    id BIGINT PRIMARY KEY,
    organization BIGINT NOT NULL,
    listing TEXT COLLATE "C" NOT NULL,
    enrolled_at BIGINT
);
INSERT INTO listings SELECT id, organization, listing, enrolled_at FROM accounts;
CREATE INDEX listings_of_all ON listings (listing, id);
CREATE INDEX listings_by_organization ON listings (organization, listing, id);
CREATE INDEX listings_enrolled ON listings (organization, listing, id) WHERE enrolled_at IS NOT NULL;
ANALYZE listings;

CREATE FUNCTION list_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO listings VALUES (new.id, new.organization, new.listing, new.enrolled_at)
    ON CONFLICT (id) DO UPDATE
        SET organization = excluded.organization, listing = excluded.listing, enrolled_at = excluded.enrolled_at;
    RETURN NULL;
END
$$;
CREATE TRIGGER account_listed AFTER INSERT ON accounts
    FOR EACH ROW EXECUTE FUNCTION list_account();
CREATE TRIGGER account_listed_anew AFTER UPDATE ON accounts
    FOR EACH ROW
    WHEN (new.organization IS DISTINCT FROM old.organization OR new.listing IS DISTINCT FROM old.listing
          OR new.enrolled_at IS DISTINCT FROM old.enrolled_at)
    EXECUTE FUNCTION list_account();

-- Writers to `accounts` wait from here on, not before. What they have done since the first look is little.
INSERT INTO listings
    SELECT a.id, a.organization, a.listing, a.enrolled_at FROM accounts a LEFT JOIN listings l ON l.id = a.id
    WHERE l.id IS NULL OR l.listing <> a.listing OR l.enrolled_at IS DISTINCT FROM a.enrolled_at
    ON CONFLICT (id) DO UPDATE SET listing = excluded.listing, enrolled_at = excluded.enrolled_at;
