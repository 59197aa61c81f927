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

-- A call keeps in `note` the labels that it set, as a JSON list.
DROP VIEW audit;
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
  coalesce(c.result_bytes, d.result_bytes) AS result_bytes,
  coalesce(c.note, '[]') AS labels
FROM events AS c
LEFT JOIN sessions AS s ON s.id = c.session
LEFT JOIN judgements AS j ON j.id = c.judgement
LEFT JOIN policies AS p ON p.id = j.policy
LEFT JOIN events AS d ON d.seq = c.seq + 1
WHERE c.kind = 1;
