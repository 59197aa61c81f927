-- What servers list, and who loaded which policy.

-- One row for each definition that a server ever gave of a tool: a changed one is a new row. `definition_hash` is that of
-- what came, `definition` is without secrets and cut where it is long; null where the list as a whole was too long.
CREATE TABLE tools (
  id              INTEGER PRIMARY KEY,
  server          TEXT    NOT NULL,
  tool            TEXT    NOT NULL,
  definition_hash TEXT    NOT NULL,
  definition      TEXT,
  first_seen      INTEGER NOT NULL,
  session         TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX tools_definition ON tools (server, tool, definition_hash);

-- One row for each page of a list: the tools on it as a JSON array of `tools.id`. `first` is 1 where the list begins with
-- it, so that what was listed before no longer holds.
CREATE TABLE listings (
  id      INTEGER PRIMARY KEY,
  server  TEXT    NOT NULL,
  session TEXT    NOT NULL,
  ts      INTEGER NOT NULL,
  first   INTEGER NOT NULL,
  tools   TEXT    NOT NULL
) STRICT;
CREATE INDEX listings_server ON listings (server);

-- Which policy took force in which session, at its start and with each reload. `path` is null for the built-in one.
CREATE TABLE adoptions (
  id      INTEGER PRIMARY KEY,
  session TEXT    NOT NULL,
  policy  INTEGER NOT NULL REFERENCES policies (id),
  path    TEXT,
  ts      INTEGER NOT NULL
) STRICT;
CREATE INDEX adoptions_session ON adoptions (session);

-- When the process of a session began, as the system tells it: a process id alone may be another's by now.
ALTER TABLE sessions ADD COLUMN process TEXT;

CREATE TRIGGER tools_stay BEFORE UPDATE ON tools BEGIN SELECT raise(ABORT, 'tools is append-only'); END;
CREATE TRIGGER tools_kept BEFORE DELETE ON tools BEGIN SELECT raise(ABORT, 'tools is append-only'); END;
CREATE TRIGGER listings_stay BEFORE UPDATE ON listings BEGIN SELECT raise(ABORT, 'listings is append-only'); END;
CREATE TRIGGER listings_kept BEFORE DELETE ON listings BEGIN SELECT raise(ABORT, 'listings is append-only'); END;
CREATE TRIGGER adoptions_stay BEFORE UPDATE ON adoptions BEGIN SELECT raise(ABORT, 'adoptions is append-only'); END;
CREATE TRIGGER adoptions_kept BEFORE DELETE ON adoptions BEGIN SELECT raise(ABORT, 'adoptions is append-only'); END;
