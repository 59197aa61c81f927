-- Which definitions of its tools a server may give without being said to have changed them.

-- Hashes of a definition's parts, as JSON, to tell where two differ; null for what was listed before this was kept.
ALTER TABLE tools ADD COLUMN parts TEXT;

-- One row for each definition that is pinned: those of the first whole list that a server gave, and those that people
-- accepted since. A tool may have several. `origin` is 'first_use' (with the session whose list it was) or 'accepted'
-- (with who did it).
CREATE TABLE pins (
  id         INTEGER PRIMARY KEY,
  definition INTEGER NOT NULL REFERENCES tools (id),
  ts         INTEGER NOT NULL,
  origin     TEXT    NOT NULL,
  session    TEXT,
  user       TEXT,
  uid        INTEGER
) STRICT;
CREATE UNIQUE INDEX pins_definition ON pins (definition);

CREATE TRIGGER pins_stay BEFORE UPDATE ON pins BEGIN SELECT raise(ABORT, 'pins is append-only'); END;
CREATE TRIGGER pins_kept BEFORE DELETE ON pins BEGIN SELECT raise(ABORT, 'pins is append-only'); END;
