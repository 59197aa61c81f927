//! The outbox of alerts: what people are to be told, by whom, and what became of it.
//!
//! It refuses to send anything, and to keep an argument of a call. Invariant: an alert is in the file together with its
//! call, and each of its deliveries is delivered, given up, or will be due again; a process that dies changes nothing
//! of that.

mod raised;
mod rows;

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::{StoreError, key, schema};
use crate::clock::unix_ms;
use crate::policy::Redactor;
use crate::record::{Alarm, SessionInfo};
use crate::settings::Durability;

pub(super) use raised::{Raised, insert};
pub use rows::{AlertRow, DeliveryRow, DeliveryState};

/// How long this waits for other writers.
const PATIENCE: Duration = Duration::from_secs(5);

/// An alert that is to be delivered now, by nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// What it says.
    pub alert: AlertRow,
    /// How often this was tried, this time included.
    pub attempts: i64,
    /// Since when it is tried, milliseconds since the Unix epoch.
    pub since_ms: i64,
    row: i64,
    /// Until when it is ours. Two claims of one millisecond have the same; their `attempts` tell them apart.
    until_ms: i64,
}

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// The destination has it.
    Delivered,
    /// It is to be tried again after this moment, milliseconds since the Unix epoch.
    Again(i64, String),
    /// It is given up.
    Failed(String),
}

/// The alerts of one store.
pub struct Alerts {
    connection: Mutex<Connection>,
}

impl Alerts {
    /// Opens the store, and makes it where it is missing.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open(path, Durability::Normal)?;
        connection.busy_timeout(PATIENCE)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// People are to be told of this, which no session noticed.
    pub fn raise(&self, alarm: &Alarm) -> Result<(), StoreError> {
        let raised = Raised::of_alarm(alarm, &Redactor::new(key::passing()));
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        insert(&transaction, &SessionInfo::default(), &raised)?;
        Ok(transaction.commit()?)
    }

    /// Up to `most` alerts that are due at a destination. For `lease` they are the caller's; after that they are due
    /// again, for whoever asks.
    pub fn claim(&self, destination: &str, most: usize, lease: Duration) -> Result<Vec<Claimed>, StoreError> {
        let connection = self.connection();
        let now = unix_ms();
        let until = now.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        // To look first keeps the file's lock from being taken for nothing.
        let due = "SELECT EXISTS (SELECT 1 FROM deliveries \
             WHERE state = 'waiting' AND destination = ?1 AND next_ts <= ?2)";
        if !connection.prepare_cached(due)?.query_row(params![destination, now], |row| row.get(0))? {
            return Ok(Vec::new());
        }
        let mut statement = connection.prepare_cached(
            "UPDATE deliveries SET next_ts = ?3, attempts = attempts + 1 \
             WHERE state = 'waiting' AND destination = ?1 AND next_ts <= ?2 AND alert IN \
             (SELECT alert FROM deliveries WHERE state = 'waiting' AND destination = ?1 AND next_ts <= ?2 \
              ORDER BY next_ts, alert LIMIT ?4) \
             RETURNING alert, attempts, since_ts",
        )?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![destination, now, until, most], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        rows.sort_unstable();
        let claimed = rows.into_iter().map(|(row, attempts, since_ms)| {
            let alert = rows::alert(&connection, row)?;
            Ok(Claimed { alert, attempts, since_ms, row, until_ms: until })
        });
        claimed.collect()
    }

    /// Writes down what came of deliveries, in one transaction. Of one that another process took over meanwhile only
    /// that it was delivered counts.
    pub fn settle(&self, destination: &str, done: &[(Claimed, Came)]) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (claimed, came) in done {
            let (state, next, error) = match came {
                Came::Delivered => (DeliveryState::Delivered, None, None),
                Came::Again(next, error) => (DeliveryState::Waiting, Some(*next), Some(error)),
                Came::Failed(error) => (DeliveryState::Failed, None, Some(error)),
            };
            let is_over = state != DeliveryState::Waiting;
            transaction
                .prepare_cached(
                    "UPDATE deliveries SET state = ?3, next_ts = coalesce(?4, next_ts), done_ts = ?5, error = ?6 \
                     WHERE alert = ?1 AND destination = ?2 AND state <> 'delivered' \
                     AND (?3 = 'delivered' OR (next_ts = ?7 AND attempts = ?8))",
                )?
                .execute(params![
                    claimed.row,
                    destination,
                    state.as_str(),
                    next,
                    is_over.then(unix_ms),
                    error,
                    claimed.until_ms,
                    claimed.attempts
                ])?;
        }
        Ok(transaction.commit()?)
    }

    /// When the next alert is due at a destination, milliseconds since the Unix epoch.
    pub fn next_due(&self, destination: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT min(next_ts) FROM deliveries WHERE state = 'waiting' AND destination = ?1";
        Ok(self.connection().prepare_cached(sql)?.query_row([destination], |row| row.get(0))?)
    }

    /// Alerts with their deliveries: those that somebody has not got first, oldest first; then, with `delivered`, as
    /// many of the newest others.
    pub fn list(&self, delivered: usize) -> Result<Vec<AlertRow>, StoreError> {
        Ok(rows::list(&self.connection(), delivered)?)
    }

    /// Makes due what waits or was given up: of these alerts, given by their ids or how they begin, or of all. How many
    /// deliveries that are.
    pub fn revive(&self, ids: &[String]) -> Result<usize, StoreError> {
        let connection = self.connection();
        let now = unix_ms();
        let sql = "UPDATE deliveries SET state = 'waiting', since_ts = ?1, next_ts = ?1, done_ts = NULL \
             WHERE state <> 'delivered' AND (state = 'failed' OR attempts > 0 OR next_ts <= ?1)";
        if ids.is_empty() {
            return Ok(connection.execute(sql, [now])?);
        }
        let mut revived = 0;
        for id in ids {
            let of =
                format!("{sql} AND alert IN (SELECT id FROM alerts WHERE substr(alert, 1, length(?2)) = ?2)");
            revived += connection.execute(&of, params![now, id])?;
        }
        Ok(revived)
    }

    /// How many alerts begin with this id.
    pub fn known(&self, id: &str) -> Result<usize, StoreError> {
        let sql = "SELECT count(*) FROM alerts WHERE substr(alert, 1, length(?1)) = ?1";
        let count: i64 = self.connection().query_row(sql, [id], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alerts").finish_non_exhaustive()
    }
}

/// Takes away alerts from before this moment that nobody waits for any more.
pub(super) fn forget(connection: &Connection, before_ms: i64) -> Result<(), rusqlite::Error> {
    let old = "SELECT id FROM alerts WHERE ts < ?1 AND NOT EXISTS \
        (SELECT 1 FROM deliveries AS d WHERE d.alert = alerts.id AND d.state = 'waiting')";
    for table in ["repeats", "deliveries"] {
        connection.execute(&format!("DELETE FROM {table} WHERE alert IN ({old})"), [before_ms])?;
    }
    // Without deliveries now, and so without one that waits; those that do wait still have theirs.
    connection.execute(&format!("DELETE FROM alerts WHERE id IN ({old})"), [before_ms])?;
    Ok(())
}
