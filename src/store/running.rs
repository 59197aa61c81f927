//! Which sessions run, what each has loaded, and what became of their calls.
//!
//! It refuses to believe a process id alone. Invariant: a session is called running only while the very process that
//! wrote it is alive and has not closed it.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};

use super::process::is_alive;
use super::{Reader, StoreError};

/// One session that was not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The session.
    pub session: String,
    /// Whether its process is alive; else it ended without a word.
    pub is_running: bool,
    /// When it began, milliseconds since the Unix epoch.
    pub since_ms: i64,
    /// The process id of callgate.
    pub pid: i64,
    /// The agent's key.
    pub agent: Option<String>,
    /// The operating system's user name.
    pub user: Option<String>,
    /// The client's name and version, claimed.
    pub client: Option<String>,
    /// The server's name.
    pub server: String,
    /// What it has loaded; `None` where an older version of callgate wrote it.
    pub loaded: Option<LoadedRow>,
    /// What became of its calls, by the rule that gave the verdict.
    pub rules: Vec<RuleRow>,
    /// How many records of it are missing.
    pub missing: i64,
}

/// The policy that last took force in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedRow {
    /// Its content hash.
    pub revision: String,
    /// `[policy] name`.
    pub name: String,
    /// Its text, secrets taken out.
    pub source: Option<String>,
    /// The file that it was read from; `None` for the built-in one, and one that stands in for a file that is gone.
    pub path: Option<String>,
    /// When it took force, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// Why a later content of the file was refused, where that is the last that was heard of it.
    pub refused: Option<String>,
}

/// Calls of one session to which one rule gave the verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleRow {
    /// The rule's id; `None` for the default.
    pub rule: Option<String>,
    /// How many calls.
    pub calls: i64,
    /// Those that passed though the verdict was to stop them.
    pub would_stop: i64,
    /// Those that were stopped.
    pub blocked: i64,
    /// Those that passed without a verdict or a record.
    pub fail_open: i64,
    /// When the first of [`Self::would_stop`] came, milliseconds since the Unix epoch.
    pub oldest_would_stop_ms: Option<i64>,
}

/// Sessions are written again when more becomes known: the last row counts, but for where the first stands.
const OPEN: &str = "SELECT s.session, s.ts, s.pid, s.agent, s.user, s.client, s.client_version, s.server, \
    (SELECT min(seq) FROM sessions WHERE session = s.session), process FROM sessions AS s \
    WHERE s.id IN (SELECT max(id) FROM sessions GROUP BY session) \
    AND s.session NOT IN (SELECT h.key FROM checkpoints AS c, json_each(c.heads) AS h WHERE c.kind = 'end') \
    ORDER BY s.id";
const LOADED: &str = "SELECT p.revision, p.name, p.source, a.path, a.ts FROM adoptions AS a \
    JOIN policies AS p ON p.id = a.policy WHERE a.session = ?1 ORDER BY a.id DESC LIMIT 1";
const LAST_HEARD: &str = "SELECT topic, note FROM events WHERE seq > ?2 AND kind = 4 \
    AND topic IN ('policy_loaded', 'policy_refused') AND session IN (SELECT id FROM sessions WHERE session = ?1) \
    ORDER BY seq DESC LIMIT 1";
const RULES: &str = "SELECT j.rule, count(*), \
    count(*) FILTER (WHERE j.verdict IN ('deny', 'require_approval') AND j.outcome IN ('forwarded', 'warned')), \
    count(*) FILTER (WHERE j.outcome IN ('blocked', 'fail_closed', 'denied', 'expired', 'withdrawn', 'pending')), \
    count(*) FILTER (WHERE j.outcome = 'fail_open'), \
    min(CASE WHEN j.verdict IN ('deny', 'require_approval') AND j.outcome IN ('forwarded', 'warned') THEN e.ts END) \
    FROM events AS e JOIN judgements AS j ON j.id = e.judgement \
    WHERE e.seq > ?2 AND e.kind = 1 AND e.session IN (SELECT id FROM sessions WHERE session = ?1) \
    GROUP BY j.rule ORDER BY min(e.seq)";
const MISSING: &str = "SELECT coalesce(sum(number), 0) FROM events WHERE seq > ?2 AND kind = 3 \
    AND session IN (SELECT id FROM sessions WHERE session = ?1)";

/// Which sessions are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// Those that run.
    Running,
    /// Also those that ended without a word: killed, or cut off by the machine.
    AllUnclosed,
}

impl Reader {
    /// The sessions that were not closed, oldest first.
    pub fn sessions(&self, wanted: Sessions) -> Result<Vec<SessionRow>, StoreError> {
        // A file that is being made has no tables yet.
        if !self.keeps("sessions")? {
            return Ok(Vec::new());
        }
        // An older file does not tell processes apart.
        let sql = if self.keeps("adoptions")? {
            OPEN.to_owned()
        } else {
            OPEN.replace("process FROM", "NULL FROM")
        };
        let open = self.all(&sql, [], |row| {
            let (name, version): (Option<String>, Option<String>) = (row.get(5)?, row.get(6)?);
            let words: Vec<String> = [name, version].into_iter().flatten().collect();
            let process: Option<String> = row.get(9)?;
            let pid: i64 = row.get(2)?;
            let session = SessionRow {
                session: row.get(0)?,
                is_running: i32::try_from(pid).is_ok_and(|pid| is_alive(pid, process.as_deref())),
                since_ms: row.get(1)?,
                pid,
                agent: row.get(3)?,
                user: row.get(4)?,
                client: (!words.is_empty()).then(|| words.join(" ")),
                server: row.get(7)?,
                loaded: None,
                rules: Vec::new(),
                missing: 0,
            };
            Ok((session, row.get::<_, i64>(8)?))
        })?;
        let wanted = open.into_iter().filter(|(row, _)| row.is_running || wanted == Sessions::AllUnclosed);
        wanted.map(|(row, from)| self.told_of(row, from)).collect()
    }

    /// The session with what its rows from `from` on tell.
    fn told_of(&self, mut row: SessionRow, from: i64) -> Result<SessionRow, StoreError> {
        row.loaded = self.loaded(&row.session, from)?;
        row.rules = self.all(RULES, params![row.session, from], |row| {
            Ok(RuleRow {
                rule: row.get(0)?,
                calls: row.get(1)?,
                would_stop: row.get(2)?,
                blocked: row.get(3)?,
                fail_open: row.get(4)?,
                oldest_would_stop_ms: row.get(5)?,
            })
        })?;
        row.missing =
            self.connection.query_row(MISSING, params![row.session, from], |missing| missing.get(0))?;
        Ok(row)
    }

    fn loaded(&self, session: &str, from: i64) -> Result<Option<LoadedRow>, StoreError> {
        if !self.keeps("adoptions")? {
            return Ok(None);
        }
        let heard: Option<(String, Option<String>)> = self
            .connection
            .query_row(LAST_HEARD, params![session, from], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let refused =
            heard.filter(|(topic, _)| topic == "policy_refused").map(|(_, note)| note.unwrap_or_default());
        let loaded = self.connection.query_row(LOADED, [session], |row| {
            Ok(LoadedRow {
                revision: row.get(0)?,
                name: row.get(1)?,
                source: row.get(2)?,
                path: row.get(3)?,
                unix_ms: row.get(4)?,
                refused: refused.clone(),
            })
        });
        Ok(loaded.optional()?)
    }
}

impl SessionRow {
    /// All its calls together.
    pub fn total(&self) -> RuleRow {
        let oldest: BTreeSet<i64> = self.rules.iter().filter_map(|rule| rule.oldest_would_stop_ms).collect();
        let sum = |count: fn(&RuleRow) -> i64| self.rules.iter().map(count).sum();
        RuleRow {
            rule: None,
            calls: sum(|rule| rule.calls),
            would_stop: sum(|rule| rule.would_stop),
            blocked: sum(|rule| rule.blocked),
            fail_open: sum(|rule| rule.fail_open),
            oldest_would_stop_ms: oldest.first().copied(),
        }
    }
}
