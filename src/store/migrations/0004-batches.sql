-- Completions that come together: kind 5, a batch. Calls in flight side by side are completed side by side, and a row beside
-- each of them would open pages that are full. So the completions in one transaction of calls whose `seq` differs in the
-- lower seven bits only are one row behind all others. Its `note` is an object: for the `seq` of each call its status,
-- latency_us and result_bytes. Its own `seq` is 1 and a power of two (a reach) after the first `seq` that the calls may
-- have: the view tries each reach. The row has its place in the chain like any other.
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
  CASE coalesce(c.status, d.status, json_extract(d.note, '$."' || c.seq || '"[0]'))
    WHEN 1 THEN 'ok' WHEN 2 THEN 'tool_error' WHEN 3 THEN 'rpc_error' WHEN 4 THEN 'cancelled' WHEN 5 THEN 'no_reply'
  END AS status,
  coalesce(c.latency_us, d.latency_us, json_extract(d.note, '$."' || c.seq || '"[1]')) AS latency_us,
  coalesce(c.result_bytes, d.result_bytes, json_extract(d.note, '$."' || c.seq || '"[2]')) AS result_bytes,
  coalesce(c.note, '[]') AS labels
FROM events AS c
LEFT JOIN sessions AS s ON s.id = c.session
LEFT JOIN judgements AS j ON j.id = c.judgement
LEFT JOIN policies AS p ON p.id = j.policy
LEFT JOIN events AS d ON d.seq = CASE WHEN c.status IS NULL THEN coalesce(
  (SELECT beside.seq FROM events AS beside WHERE beside.seq = c.seq + 1),
  (SELECT batch.seq
   FROM (SELECT 32 AS reach UNION ALL SELECT 64 UNION ALL SELECT 128 UNION ALL SELECT 256 UNION ALL SELECT 512
     UNION ALL SELECT 1024 UNION ALL SELECT 2048 UNION ALL SELECT 4096 UNION ALL SELECT 8192 UNION ALL SELECT 16384)
   CROSS JOIN events AS batch ON batch.seq = (c.seq & ~127) + reach + 1
   WHERE batch.kind = 5 AND json_type(batch.note, '$."' || c.seq || '"') IS NOT NULL
   LIMIT 1)
) END
WHERE c.kind = 1;
