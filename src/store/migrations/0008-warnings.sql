-- What agents were told about calls that passed with a warning, and what came of it. All three tables only ever grow.

-- `shown` is how the agent was told: result | notification | nowhere. `shape` is a hash of rule, tool and the names of the
-- arguments: of what is not severe an agent is told once in a session.
CREATE TABLE warnings (
  id       INTEGER PRIMARY KEY,
  session  TEXT    NOT NULL,
  number   INTEGER NOT NULL,             -- of the call in its session
  ts       INTEGER NOT NULL,
  rule     TEXT    NOT NULL,
  effect   TEXT    NOT NULL,
  severity TEXT    NOT NULL,
  shape    BLOB    NOT NULL,
  shown    TEXT    NOT NULL
) STRICT;
CREATE INDEX warnings_session ON warnings (session);

-- What the agent did next. course: changed | repeated | stopped. `next_number` and `verdict` are of its next call.
CREATE TABLE courses (
  id          INTEGER PRIMARY KEY,
  session     TEXT    NOT NULL,
  number      INTEGER NOT NULL,          -- of the call that was warned about
  ts          INTEGER NOT NULL,
  next_number INTEGER,
  course      TEXT    NOT NULL,
  verdict     TEXT
) STRICT;
CREATE INDEX courses_session ON courses (session);

-- Who has seen which warning.
CREATE TABLE acks (
  id      INTEGER PRIMARY KEY,
  warning INTEGER NOT NULL REFERENCES warnings (id),
  ts      INTEGER NOT NULL,
  user    TEXT,
  uid     INTEGER,
  note    TEXT
) STRICT;
CREATE INDEX acks_warning ON acks (warning);

CREATE TRIGGER warnings_stay BEFORE UPDATE ON warnings BEGIN SELECT raise(ABORT, 'warnings is append-only'); END;
CREATE TRIGGER warnings_kept BEFORE DELETE ON warnings BEGIN SELECT raise(ABORT, 'warnings is append-only'); END;
CREATE TRIGGER courses_stay BEFORE UPDATE ON courses BEGIN SELECT raise(ABORT, 'courses is append-only'); END;
CREATE TRIGGER courses_kept BEFORE DELETE ON courses BEGIN SELECT raise(ABORT, 'courses is append-only'); END;
CREATE TRIGGER acks_stay BEFORE UPDATE ON acks BEGIN SELECT raise(ABORT, 'acks is append-only'); END;
CREATE TRIGGER acks_kept BEFORE DELETE ON acks BEGIN SELECT raise(ABORT, 'acks is append-only'); END;
