-- What people are told of calls and of callgate itself, and what became of telling them: the outbox.

-- One row for each alert, written in the transaction of its call; only `audit prune` takes any away, and none that still
-- waits. `alert` is random and travels with it, so that a receiver knows one that comes twice. `topic`: call |
-- approval_asked | policy_refused | mode_lowered | store_failing | store_recovered | chain_broken. `same` is a hash of
-- what it is about, by which repeats are found. No argument of a call is in any column.
CREATE TABLE alerts (
  id       INTEGER PRIMARY KEY,
  alert    TEXT    NOT NULL UNIQUE,
  ts       INTEGER NOT NULL,
  topic    TEXT    NOT NULL,
  severity TEXT    NOT NULL,
  text     TEXT,                          -- a sentence, where it is about no call
  session  TEXT    NOT NULL,
  number   INTEGER,
  agent    TEXT,
  user     TEXT,
  client   TEXT,
  server   TEXT    NOT NULL,
  method   TEXT,
  tool     TEXT,
  rule     TEXT,
  reason   TEXT,
  why      TEXT,                          -- what the rule's author wrote
  verdict  TEXT,
  mode     TEXT,
  outcome  TEXT,
  policy   TEXT,                          -- the revision
  same     BLOB    NOT NULL
) STRICT;
CREATE INDEX alerts_same ON alerts (same, id);

-- How often the same happened again within `repeat`.
CREATE TABLE repeats (
  alert INTEGER PRIMARY KEY REFERENCES alerts (id),
  count INTEGER NOT NULL,
  ts    INTEGER NOT NULL                  -- the last time
) STRICT;

-- One row for each destination of an alert. state: waiting | delivered | failed. Who delivers it moves `next_ts` ahead
-- first: until then nobody else does, and a process that dies leaves it to the next. Given up a day after `since_ts`.
CREATE TABLE deliveries (
  alert       INTEGER NOT NULL REFERENCES alerts (id),
  destination TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  attempts    INTEGER NOT NULL DEFAULT 0,
  since_ts    INTEGER NOT NULL,
  next_ts     INTEGER NOT NULL,
  done_ts     INTEGER,
  error       TEXT,                       -- of the last attempt
  PRIMARY KEY (alert, destination)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (destination, next_ts) WHERE state = 'waiting';

CREATE TRIGGER alerts_stay BEFORE UPDATE ON alerts BEGIN SELECT raise(ABORT, 'alerts is append-only'); END;
CREATE TRIGGER alerts_kept BEFORE DELETE ON alerts
WHEN EXISTS (SELECT 1 FROM deliveries WHERE alert = OLD.id AND state = 'waiting')
BEGIN SELECT raise(ABORT, 'an alert that waits is kept'); END;
