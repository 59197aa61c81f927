-- The first schema. Columns are only ever added, and only by later files.
-- A row of sessions, assignments and events is linked to the one before it of the same session by `n` and `hash`.

CREATE TABLE policies (
  id       INTEGER PRIMARY KEY,
  revision TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  path     TEXT,
  source   TEXT,                         -- null: named by a call before its text came
  ts       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX policies_revision ON policies (revision, source IS NULL);

-- What each file last said: a text may return, so `policies` alone cannot tell.
CREATE TABLE loads (
  id     INTEGER PRIMARY KEY,
  path   TEXT    NOT NULL,
  policy INTEGER NOT NULL REFERENCES policies (id),
  ts     INTEGER NOT NULL
) STRICT;
CREATE INDEX loads_path ON loads (path);

-- A new row with the same `session` follows when more is known.
CREATE TABLE sessions (
  id             INTEGER PRIMARY KEY,
  session        TEXT    NOT NULL,
  seq            INTEGER NOT NULL,       -- the last event of the whole store when this was written
  ts             INTEGER NOT NULL,
  agent          TEXT,
  user           TEXT,
  uid            INTEGER,
  groups         TEXT    NOT NULL,
  repo           TEXT,
  environment    TEXT,
  client         TEXT,
  client_version TEXT,
  server         TEXT    NOT NULL,
  protocol       TEXT,
  pid            INTEGER NOT NULL,
  root           TEXT,
  n              INTEGER NOT NULL,
  hash           BLOB    NOT NULL
) STRICT;
CREATE INDEX sessions_session ON sessions (session);

CREATE TABLE assignments (
  id        INTEGER PRIMARY KEY,
  session   TEXT    NOT NULL,
  seq       INTEGER NOT NULL,            -- as in sessions
  ts        INTEGER NOT NULL,
  scope     TEXT    NOT NULL,
  from_word TEXT,
  to_word   TEXT,
  revision  TEXT    NOT NULL,
  origin    TEXT    NOT NULL,
  n         INTEGER NOT NULL,
  hash      BLOB    NOT NULL
) STRICT;

-- What was called and what was said of it: one row for each combination, however many calls share it. `hash` is that of
-- the other columns, the policy by its revision.
CREATE TABLE judgements (
  id      INTEGER PRIMARY KEY,
  hash    BLOB    NOT NULL UNIQUE,
  method  TEXT    NOT NULL,
  tool    TEXT    NOT NULL,
  verdict TEXT,
  mode    TEXT    NOT NULL,
  outcome TEXT    NOT NULL,
  rule    TEXT,
  matched TEXT,
  reason  TEXT,
  policy  INTEGER REFERENCES policies (id)
) STRICT;

-- kind: 1 call | 2 completion | 3 gap | 4 notice. status: 1 ok | 2 tool_error | 3 rpc_error | 4 cancelled | 5 no_reply.
-- A call has an even seq; a completion that came after its call was committed has the next odd one. A gap keeps in
-- `number` how many records are missing; a notice keeps its kind in `topic`; both keep their text in `note`. What can be
-- long comes last, so that the rest is on the row's own page.
CREATE TABLE events (
  seq            INTEGER PRIMARY KEY,
  kind           INTEGER NOT NULL,
  session        INTEGER NOT NULL REFERENCES sessions (id),
  ts             INTEGER NOT NULL,
  number         INTEGER,
  judgement      INTEGER REFERENCES judgements (id),
  eval_us        INTEGER,
  status         INTEGER,
  latency_us     INTEGER,
  result_bytes   INTEGER,
  n              INTEGER NOT NULL,
  arguments_hash BLOB,
  topic          TEXT,
  note           TEXT,
  lost           TEXT,
  arguments      TEXT,
  hash           BLOB    NOT NULL
) STRICT;

-- kind: end (a session was closed) | prune (rows up to upto_seq may go).
CREATE TABLE checkpoints (
  id       INTEGER PRIMARY KEY,
  ts       INTEGER NOT NULL,
  kind     TEXT    NOT NULL,
  upto_seq INTEGER NOT NULL,
  heads    TEXT    NOT NULL,
  mac      BLOB    NOT NULL
) STRICT;
CREATE INDEX checkpoints_prune ON checkpoints (upto_seq) WHERE kind = 'prune';

CREATE TRIGGER policies_stay BEFORE UPDATE ON policies BEGIN SELECT raise(ABORT, 'policies is append-only'); END;
CREATE TRIGGER policies_kept BEFORE DELETE ON policies BEGIN SELECT raise(ABORT, 'policies is append-only'); END;
CREATE TRIGGER loads_stay BEFORE UPDATE ON loads BEGIN SELECT raise(ABORT, 'loads is append-only'); END;
CREATE TRIGGER loads_kept BEFORE DELETE ON loads BEGIN SELECT raise(ABORT, 'loads is append-only'); END;
CREATE TRIGGER judgements_stay BEFORE UPDATE ON judgements BEGIN SELECT raise(ABORT, 'judgements is append-only'); END;
CREATE TRIGGER judgements_kept BEFORE DELETE ON judgements BEGIN SELECT raise(ABORT, 'judgements is append-only'); END;
CREATE TRIGGER checkpoints_stay BEFORE UPDATE ON checkpoints BEGIN SELECT raise(ABORT, 'checkpoints is append-only'); END;
CREATE TRIGGER checkpoints_kept BEFORE DELETE ON checkpoints BEGIN SELECT raise(ABORT, 'checkpoints is append-only'); END;
CREATE TRIGGER sessions_stay BEFORE UPDATE ON sessions BEGIN SELECT raise(ABORT, 'sessions is append-only'); END;
CREATE TRIGGER assignments_stay BEFORE UPDATE ON assignments BEGIN SELECT raise(ABORT, 'assignments is append-only'); END;
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'events is append-only'); END;

CREATE TRIGGER sessions_kept BEFORE DELETE ON sessions
WHEN OLD.seq > coalesce((SELECT max(upto_seq) FROM checkpoints WHERE kind = 'prune'), -1)
BEGIN SELECT raise(ABORT, 'sessions is append-only'); END;
CREATE TRIGGER assignments_kept BEFORE DELETE ON assignments
WHEN OLD.seq > coalesce((SELECT max(upto_seq) FROM checkpoints WHERE kind = 'prune'), -1)
BEGIN SELECT raise(ABORT, 'assignments is append-only'); END;
CREATE TRIGGER events_kept BEFORE DELETE ON events
WHEN OLD.seq > coalesce((SELECT max(upto_seq) FROM checkpoints WHERE kind = 'prune'), -1)
BEGIN SELECT raise(ABORT, 'events is append-only'); END;

CREATE VIEW audit AS
SELECT
  c.seq AS seq,
  strftime('%Y-%m-%dT%H:%M:%S', c.ts / 1000, 'unixepoch') || printf('.%03dZ', c.ts % 1000) AS ts,
  s.session AS session,
  s.agent AS agent,
  s.user AS user,
  s.groups AS groups,
  s.repo AS repo,
  s.environment AS environment,
  s.client AS client,
  s.server AS server,
  j.method AS method,
  j.tool AS tool,
  c.arguments AS arguments,
  j.verdict AS verdict,
  j.mode AS mode,
  j.outcome AS outcome,
  j.rule AS rule,
  CASE WHEN j.verdict IS NULL THEN NULL ELSE coalesce(j.matched, '[]') END AS matched,
  j.reason AS reason,
  p.revision AS policy,
  s.session || '-' || c.number AS tool_call_id,
  c.eval_us AS eval_us,
  CASE coalesce(c.status, d.status)
    WHEN 1 THEN 'ok' WHEN 2 THEN 'tool_error' WHEN 3 THEN 'rpc_error' WHEN 4 THEN 'cancelled' WHEN 5 THEN 'no_reply'
  END AS status,
  coalesce(c.latency_us, d.latency_us) AS latency_us,
  coalesce(c.result_bytes, d.result_bytes) AS result_bytes
FROM events AS c
LEFT JOIN sessions AS s ON s.id = c.session
LEFT JOIN judgements AS j ON j.id = c.judgement
LEFT JOIN policies AS p ON p.id = j.policy
LEFT JOIN events AS d ON d.seq = c.seq + 1
WHERE c.kind = 1;
