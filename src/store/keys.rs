//! API keys: who may come in over HTTP, as whom, and to do what.
//!
//! It refuses to keep a key, or to give it out twice: the file has its SHA-256, which is enough for 256 random bits (a slow
//! hash protects what people choose and others guess). Invariant: rows are only added, a revocation too, and each
//! question is asked of the file, so that a key revoked by another process lets nobody in from then on.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::{StoreError, random_word, schema};
use crate::clock::unix_ms;
use crate::settings::Durability;

/// What every key begins with, so that scanners of repositories and logs can know one.
const PREFIX: &str = "cg_";
/// Random digits of a key, five bits each: 260 bits.
const SECRET_LENGTH: usize = 52;
/// Random digits of an id: enough to tell keys apart, short enough to type.
const ID_LENGTH: usize = 8;
/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a key is good for. None of them implies another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// To reach servers: `/mcp/{server}`.
    Call,
    /// To ask what the policy would say: `/v1/check`.
    Check,
    /// To change which mode holds for whom.
    Admin,
}

/// A key as it may be shown: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Random, 8 characters of Crockford base 32, lower case.
    pub id: String,
    /// What its maker calls it; no two keys that are in use share it.
    pub name: String,
    /// The agent that comes in by it; `[identity] agent` where there is none.
    pub agent: Option<String>,
    /// What it is good for, each scope once.
    pub scopes: Vec<Scope>,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it was revoked, milliseconds since the Unix epoch.
    pub revoked_ms: Option<i64>,
}

/// A key's text, which is shown once: it is not in its `Debug`.
pub struct Secret(String);

/// What came of a wish for a key.
#[derive(Debug)]
pub enum Added {
    /// Here it is.
    Made(ApiKey, Secret),
    /// A key in use has that name.
    NameTaken(ApiKey),
}

/// What came of a wish to revoke one.
#[derive(Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It is from now on.
    Now(ApiKey),
    /// It was already.
    Before(ApiKey),
    /// There is no such key.
    Unknown,
}

/// The keys of one store.
pub struct Keys {
    connection: Mutex<Connection>,
}

const COLUMNS: &str = "SELECT k.key_id, k.name, k.agent, k.scopes, k.ts, r.ts FROM keys AS k \
    LEFT JOIN revocations AS r ON r.key = k.id";

impl Keys {
    /// Opens the store, and makes it where it is missing. What is written through it survives a power cut: a revocation
    /// that was confirmed must not come undone.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open(path, Durability::Strict)?;
        connection.busy_timeout(PATIENCE)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The key in use that a bearer token is; `None` for whatever else. Some microseconds.
    ///
    /// The time it takes tells at most how far the hash of a guess agrees with one in the index, and nobody can choose
    /// a guess by its hash.
    pub fn find(&self, bearer: &str) -> Result<Option<ApiKey>, StoreError> {
        if !Self::is_like_one(bearer) {
            return Ok(None);
        }
        let sql = format!("{COLUMNS} WHERE k.hash = ?1 AND r.ts IS NULL");
        let found = self.connection().prepare_cached(&sql)?.query_row([hash(bearer)], key).optional();
        Ok(found?)
    }

    /// Whether a text may be a key: a name or an id never is.
    pub fn is_like_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Whether any key is in use.
    pub fn any(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM keys WHERE id NOT IN (SELECT key FROM revocations))";
        Ok(self.connection().query_row(sql, [], |row| row.get(0))?)
    }

    /// Every key, revoked ones too, oldest first.
    pub fn list(&self) -> Result<Vec<ApiKey>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare(&format!("{COLUMNS} ORDER BY k.id"))?;
        let keys = statement.query_map([], key)?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Makes a key. The name of a revoked one may be used again.
    pub fn add(&self, name: &str, agent: Option<&str>, scopes: &[Scope]) -> Result<Added, StoreError> {
        let secret = Secret(format!("{PREFIX}{}", random::<SECRET_LENGTH>()?));
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(other) = in_use(&transaction, name)? {
            return Ok(Added::NameTaken(other));
        }
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let key = ApiKey {
            id: random::<ID_LENGTH>()?,
            name: name.to_owned(),
            agent: agent.map(str::to_owned),
            scopes,
            created_ms: unix_ms(),
            revoked_ms: None,
        };
        transaction.execute(
            "INSERT INTO keys (key_id, name, hash, agent, scopes, ts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![key.id, key.name, hash(&secret.0), key.agent, words(&key.scopes), key.created_ms],
        )?;
        transaction.commit()?;
        Ok(Added::Made(key, secret))
    }

    /// Revokes the key in use of this name, else the key with this id; or a key that is given itself.
    pub fn revoke(&self, name_or_id: &str) -> Result<Revoked, StoreError> {
        let itself = self.find(name_or_id)?.map(|key| key.id);
        let name_or_id = itself.as_deref().unwrap_or(name_or_id);
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = match in_use(&transaction, name_or_id)? {
            Some(key) => Some(key),
            None => revoked_or_by_id(&transaction, name_or_id)?,
        };
        let Some(key) = found else { return Ok(Revoked::Unknown) };
        if key.revoked_ms.is_some() {
            return Ok(Revoked::Before(key));
        }
        let now = unix_ms();
        transaction.execute(
            "INSERT INTO revocations (key, ts) SELECT id, ?2 FROM keys WHERE key_id = ?1",
            params![key.id, now],
        )?;
        transaction.commit()?;
        Ok(Revoked::Now(ApiKey { revoked_ms: Some(now), ..key }))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl ApiKey {
    /// Whether it is good for this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Call, Self::Check, Self::Admin];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Check => "check",
            Self::Admin => "admin",
        }
    }

    /// The scope that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

impl Secret {
    /// The key, for the one who asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn in_use(connection: &Connection, name: &str) -> rusqlite::Result<Option<ApiKey>> {
    let sql = format!("{COLUMNS} WHERE k.name = ?1 AND r.ts IS NULL");
    connection.query_row(&sql, [name], key).optional()
}

/// The newest comes first where a name was used more than once.
fn revoked_or_by_id(connection: &Connection, name_or_id: &str) -> rusqlite::Result<Option<ApiKey>> {
    let sql = format!(
        "{COLUMNS} WHERE k.key_id = ?1 OR k.name = ?1 ORDER BY k.key_id = ?1 DESC, k.id DESC LIMIT 1"
    );
    connection.query_row(&sql, [name_or_id], key).optional()
}

fn key(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let scopes: String = row.get(3)?;
    Ok(ApiKey {
        id: row.get(0)?,
        name: row.get(1)?,
        agent: row.get(2)?,
        // A word of a later version gives nothing here.
        scopes: scopes.split(',').filter_map(Scope::from_word).collect(),
        created_ms: row.get(4)?,
        revoked_ms: row.get(5)?,
    })
}

fn words(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}

fn hash(bearer: &str) -> [u8; 32] {
    Sha256::digest(bearer.as_bytes()).into()
}

fn random<const LENGTH: usize>() -> Result<String, StoreError> {
    random_word::<LENGTH>().map_err(|error| StoreError::Unavailable(error.to_string()))
}
