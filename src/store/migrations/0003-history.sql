-- What rules look back on, across processes. No part of the log: rows change, and go when nobody can ask for them.

-- Calls counted in a budget: by its key (a hash), the part of its time, and the session that counted.
CREATE TABLE budgets (
  key      BLOB    NOT NULL,
  slot     INTEGER NOT NULL,
  session  TEXT    NOT NULL,
  calls    INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  PRIMARY KEY (key, slot, session)
) STRICT, WITHOUT ROWID;

-- When a label was last set, for whom.
CREATE TABLE marks (
  owner       TEXT    NOT NULL,
  label       TEXT    NOT NULL,
  possibly_ms INTEGER NOT NULL,
  surely_ms   INTEGER,
  until_ms    INTEGER,                   -- null: for ever
  PRIMARY KEY (owner, label)
) STRICT, WITHOUT ROWID;
