-- Questions that people are asked about calls, and what becomes of them. Both tables only ever grow.

-- One row for each question. `question` is random and stands nowhere but here: not in anything that an agent sees.
-- `binding` is a keyed hash of what an approval is good for: who asks, the server, the tool's definition, the method and
-- all parameters, numbers as written. `owner` is who may use a grant: `agent:KEY`, or `session:ID` where no agent is
-- named. `number` is that of the call in its session; `until_ts` is when the question closes by itself. `arguments` are
-- without secrets, `lost` lists what was taken away.
CREATE TABLE approvals (
  id        INTEGER PRIMARY KEY,
  question  TEXT    NOT NULL UNIQUE,
  ts        INTEGER NOT NULL,
  until_ts  INTEGER NOT NULL,
  session   TEXT    NOT NULL,
  number    INTEGER NOT NULL,
  owner     TEXT    NOT NULL,
  agent     TEXT,
  user      TEXT,
  client    TEXT,
  server    TEXT    NOT NULL,
  method    TEXT    NOT NULL,
  tool      TEXT    NOT NULL,
  rule      TEXT    NOT NULL,
  reason    TEXT    NOT NULL,
  why       TEXT,                        -- what the rule's author wrote
  severity  TEXT    NOT NULL,
  class     TEXT    NOT NULL,
  policy    TEXT    NOT NULL,            -- the revision
  grants    TEXT    NOT NULL,            -- once | session | milliseconds
  confirm   TEXT    NOT NULL,            -- none | tty
  channels  TEXT    NOT NULL,            -- words with commas between them: local, host
  lost      TEXT,
  arguments TEXT,
  binding   BLOB    NOT NULL
) STRICT;
CREATE INDEX approvals_binding ON approvals (binding);
CREATE INDEX approvals_until ON approvals (until_ts);

-- What happens to a question. kind: approved | denied (by a person, who is told by the columns from `channel` on) |
-- pending (its call was answered, the question stays open) | used (a call went through by the approval) | expired |
-- withdrawn | told (whoever made the call again heard of the denial). `session` and `number` name the call that an event is about. An approval is good until `until_ts`; `grants`
-- is as above. Denied beats approved, whatever came first, as long as no call has gone through.
CREATE TABLE turns (
  id       INTEGER PRIMARY KEY,
  approval INTEGER NOT NULL REFERENCES approvals (id),
  ts       INTEGER NOT NULL,
  kind     TEXT    NOT NULL,
  session  TEXT,
  number   INTEGER,
  grants   TEXT,
  until_ts INTEGER,
  channel  TEXT,
  user     TEXT,
  uid      INTEGER,
  pid      INTEGER,
  ancestry TEXT,                         -- the processes that it came through: `callgate 71 < bash 70 < …`
  tty      TEXT,
  reason   TEXT
) STRICT;
CREATE INDEX turns_approval ON turns (approval);

CREATE TRIGGER approvals_stay BEFORE UPDATE ON approvals BEGIN SELECT raise(ABORT, 'approvals is append-only'); END;
CREATE TRIGGER approvals_kept BEFORE DELETE ON approvals BEGIN SELECT raise(ABORT, 'approvals is append-only'); END;
CREATE TRIGGER turns_stay BEFORE UPDATE ON turns BEGIN SELECT raise(ABORT, 'turns is append-only'); END;
CREATE TRIGGER turns_kept BEFORE DELETE ON turns BEGIN SELECT raise(ABORT, 'turns is append-only'); END;
