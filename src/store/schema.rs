//! Opening the file: modes, pragmas, migrations. The only place that knows how a connection is set up.
//!
//! It refuses a file of a newer version and a database that is not ours. Invariant: a connection that it hands out sees
//! the newest schema, waits for no lock, and never checkpoints by itself.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{StoreError, is_busy};
use crate::clock;
use crate::settings::Durability;

/// `callg` folded into the 32 bits that SQLite keeps for it.
const APPLICATION_ID: i64 = 0x6361_6c67;

/// Every migration, oldest first; the file's `user_version` is how many it has.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002-tools.sql"),
    include_str!("migrations/0003-history.sql"),
    include_str!("migrations/0004-batches.sql"),
    include_str!("migrations/0005-keys.sql"),
    include_str!("migrations/0006-pins.sql"),
    include_str!("migrations/0007-approvals.sql"),
    include_str!("migrations/0008-warnings.sql"),
    include_str!("migrations/0009-alerts.sql"),
];

/// How long to keep trying while other processes create or migrate the same file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the store for writing; makes folder (0700) and file (0600), and brings the schema up to date.
pub(super) fn open(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    make_file(path)?;
    let began = clock::now().steady_us;
    loop {
        match try_open(path, durability) {
            Err(StoreError::Sqlite(error)) if is_busy(&error) && waited(began) < PATIENCE => {
                std::thread::sleep(Duration::from_millis(2));
            }
            other => return other,
        }
    }
}

/// A second connection to a file that [`open`] has opened.
pub(super) fn open_again(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    tune(&connection, durability)?;
    Ok(connection)
}

/// A connection that cannot write; waits up to 5 s for locks. The file must exist; one of an earlier version is
/// brought up to date first.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    connection.busy_timeout(Duration::from_secs(5))?;
    if known_version(&connection, path)? < MIGRATIONS.len() {
        drop(open(path, Durability::Normal)?);
    }
    Ok(connection)
}

/// A connection for questions on the call path: it cannot write, and gives up at once rather than wait for others.
/// `None` where no process has written anything yet that could be asked for.
pub(super) fn open_to_ask(path: &Path, table: &str) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    // Only while another process makes or closes the file does this come into play.
    connection.busy_timeout(Duration::from_millis(50))?;
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)";
    let is_there: bool = connection.query_row(sql, [table], |row| row.get(0))?;
    Ok(is_there.then_some(connection))
}

fn waited(began_us: u64) -> Duration {
    Duration::from_micros(clock::now().steady_us.saturating_sub(began_us))
}

fn flags(access: OpenFlags) -> OpenFlags {
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// SQLite gives `-wal` and `-shm` the mode of the file, so the file must have it first.
fn make_file(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn try_open(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    connection.busy_timeout(Duration::ZERO)?;
    if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        // These hold only before the first page is written.
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    tune(&connection, durability)?;
    migrate(&connection, path)?;
    Ok(connection)
}

/// Bytes, as SQLite has it by default. Larger pages save 5 % with 64 calls in flight and cost a single call 2 µs.
const PAGE_SIZE: u32 = 4096;

fn tune(connection: &Connection, durability: Durability) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::ZERO)?;
    let synchronous = match durability {
        Durability::Normal => "normal",
        Durability::Strict => "full",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 8 << 20)?;
    connection.pragma_update(None, "secure_delete", "on")?;
    // Each insert would look up its parents; triggers keep them from going away.
    connection.pragma_update(None, "foreign_keys", "off")?;
    connection.pragma_update(None, "cache_size", -1024)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// How many of [`MIGRATIONS`] the file has.
fn known_version(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    // Tables first: another process may just be making them, and gives them and our id at once.
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let read = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (found, id) = (read("user_version")?, read("application_id")?);
    if tables > 0 && id != APPLICATION_ID {
        return Err(StoreError::NotAStore { path: path.to_owned() });
    }
    match usize::try_from(found) {
        Ok(found) if found <= MIGRATIONS.len() => Ok(found),
        Ok(_) | Err(_) => Err(StoreError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() }),
    }
}

fn migrate(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if known_version(connection, path)? == MIGRATIONS.len() {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = steps(connection, path).and_then(|()| Ok(connection.execute_batch("COMMIT")?));
    if done.is_err() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    done
}

/// Asks the version again: it may have changed before the lock was ours.
fn steps(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let from = known_version(connection, path)?;
    for migration in MIGRATIONS.iter().skip(from) {
        connection.execute_batch(migration)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))?;
    Ok(())
}
