//! What all requests share: the policy in force, the keys, the sessions, and what was refused.
//!
//! It refuses to hold a lock across an await. Invariant: a session is found only by the key that opened it, and not
//! once it has begun to end.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::check::Check;
use super::door::Door;
use super::ending::{Ears, live};
use super::link::{Ask, Era, Link, Word};
use super::refused::{Refused, Why};
use super::tally::{Tally, Told};
use super::upstream::{Endpoints, Upstream};
use crate::alert::Sender;
use crate::clock::now;
use crate::guard::{Elsewhere, Opening, Session};
use crate::policy::{FailMode, NoLinks, ResolvePath};
use crate::proxy::{
    Evidence, LocalLinks, Reload, Waiting, Watching, alarms, facts, folder, session_info, unguessable,
};
use crate::record::{Assignment, Notice, NoticeKind, PolicySource, Record, SessionInfo};
use crate::settings::{Config, Server};
use crate::store::{ApiKey, Keys, Store, random_word};
use crate::wire::shown;

/// Sessions of all keys.
const MOST_SESSIONS: usize = 1_000;
/// Sessions of one key.
const MOST_OF_ONE_KEY: usize = 500;
/// Requests that wait for a session before those who send them do.
const MOST_ASKS: usize = 16;
/// Digits of a session's id: 160 random bits, in visible ASCII (2025-03-26, session management). It opens nothing without
/// the key.
const SESSION_LENGTH: usize = 32;

/// What only the command line knows how to make.
pub trait Ground: Send + Sync {
    /// A way into the audit store.
    fn store(&self, info: &SessionInfo) -> Store;
    /// What other processes and sessions have done.
    fn elsewhere(&self, info: &SessionInfo) -> Box<dyn Elsewhere>;
    /// What happens in a session though no byte moves.
    fn waiting(&self, session: &str) -> Waiting;
}

/// The policy in force, as new sessions get it.
#[derive(Clone)]
pub struct Current {
    /// It and the settings.
    pub config: Arc<Config>,
    /// Its text, for the store.
    pub source: PolicySource,
    /// Where none could be loaded: what becomes of calls.
    pub unguarded: Option<FailMode>,
}

/// What the face is made of.
pub struct Foundation {
    /// The policy at the start.
    pub current: Current,
    /// Keeps the watch of it going.
    pub watching: Option<Watching>,
    /// Who may come in.
    pub keys: Keys,
    /// Answers questions about calls.
    pub check: Check,
    /// The face's own way into the store.
    pub store: Mutex<Option<Store>>,
    /// What only the command line can make.
    pub ground: Box<dyn Ground>,
    /// How long a session may rest.
    pub idle: Duration,
    /// Where lines for people go: stderr.
    pub say: fn(&str),
    /// Where alerts go.
    pub alerts: Arc<Sender>,
}

/// The state of the face.
pub(super) struct Face {
    pub door: Door,
    pub foundation: Foundation,
    current: Mutex<Current>,
    rooms: Mutex<Rooms>,
    tally: Mutex<Tally>,
    endpoints: Mutex<Endpoints>,
    /// A session has ended.
    pub left: Notify,
}

/// The sessions.
#[derive(Default)]
struct Rooms {
    /// By the id that the client has.
    by_id: HashMap<String, Room>,
    /// Of the modern era: by key, client and server.
    by_client: BTreeMap<Who, String>,
    is_ending: bool,
}

/// Whose a session of the modern era is: the id of the key, the client's name, the server's.
type Who = (String, Option<String>, String);

/// One session as requests find it.
struct Room {
    key: String,
    server: String,
    way: Way,
}

/// The way to a session.
#[derive(Clone)]
pub(super) struct Way {
    /// The session's id, which is not its name in the records.
    pub id: String,
    /// Where it is asked.
    pub asks: mpsc::Sender<Ask>,
    words: mpsc::UnboundedSender<Word>,
}

impl Foundation {
    fn store(&self) -> MutexGuard<'_, Option<Store>> {
        lock(&self.store)
    }

    fn queue(&self, notice: Notice) {
        if let Some(store) = self.store().as_ref() {
            store.queue(vec![Record::Notice(notice)]);
        }
    }

    fn alarm(&self, reload: &Reload) {
        let alarms = alarms(reload, &self.alerts);
        if let Some(store) = self.store().as_ref() {
            for alarm in alarms {
                store.alarm(alarm);
            }
        }
    }

    fn policy(&self, source: PolicySource, assignments: Vec<Assignment>) {
        if let Some(store) = self.store().as_ref() {
            store.policy(source, assignments);
        }
    }
}

impl Way {
    /// Has the session end.
    pub fn end(&self) {
        // One that has ended need not be told.
        let _ = self.words.send(Word::End);
    }
}

impl Face {
    /// A face without sessions.
    pub fn new(foundation: Foundation, door: Door) -> Self {
        let current = Mutex::new(foundation.current.clone());
        Self {
            door,
            foundation,
            current,
            rooms: Mutex::default(),
            tally: Mutex::default(),
            endpoints: Mutex::default(),
            left: Notify::new(),
        }
    }

    /// The policy and the settings in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.current).config)
    }

    /// The session with this id, if this key opened it for this server.
    pub fn find(&self, id: &str, key: &ApiKey, server: &str) -> Result<Way, Refused> {
        let rooms = lock(&self.rooms);
        let room = rooms.by_id.get(id).filter(|room| room.key == key.id && room.server == server);
        room.map(|room| room.way.clone()).ok_or_else(|| {
            Why::Session
                .because("no such session; it may have ended: send `initialize` without Mcp-Session-Id")
        })
    }

    /// The session of this key and client in front of this server, opened where there is none.
    pub fn modern(
        self: &Arc<Self>,
        client: Option<&str>,
        key: &ApiKey,
        server: &str,
    ) -> Result<Way, Refused> {
        let who = (key.id.clone(), client.map(str::to_owned), server.to_owned());
        {
            let rooms = lock(&self.rooms);
            let room = rooms.by_client.get(&who).and_then(|id| rooms.by_id.get(id));
            if let Some(room) = room {
                return Ok(room.way.clone());
            }
        }
        let way = self.open(Era::Modern, key, server)?;
        lock(&self.rooms).by_client.insert(who, way.id.clone());
        Ok(way)
    }

    /// Opens a session: starts its server, its guard and its store. To be called within a local set.
    pub fn open(self: &Arc<Self>, era: Era, key: &ApiKey, server: &str) -> Result<Way, Refused> {
        let current = lock(&self.current).clone();
        let settings = &current.config.settings;
        let Some(place) = settings.servers.get(server) else { return Err(unknown_server()) };
        self.has_room(key)?;
        let id = random_word::<SESSION_LENGTH>()
            .map_err(|_| Why::Internal.because("the system gives no random numbers"))?;
        let agent = key.agent.as_deref();
        let folder = folder(&current.config, server);
        let info = session_info(&current.config, agent, server, folder);
        let info = info.map_err(|_| Why::Internal.because("the system gives no random numbers"))?;
        let upstream =
            Upstream::start(place, settings.max_frame, &mut lock(&self.endpoints)).map_err(|why| {
                (self.foundation.say)(&format!("[servers.{server}]: {why}"));
                Why::Unreachable.because(format!("the server is not there: {why}. Nothing was run."))
            })?;
        let links: Box<dyn ResolvePath> = match place {
            Server::Child { .. } => Box::new(LocalLinks),
            Server::Remote { .. } => Box::new(NoLinks),
        };
        let evidence = self.evidence(&current, info, links);
        let (asks, asked) = mpsc::channel(MOST_ASKS);
        let (words, said) = mpsc::unbounded_channel();
        let (gone, went) = mpsc::unbounded_channel();
        let link = Link::new(evidence, upstream.to, era, gone);
        let ears = Ears { asks: asked, words: said, went, from: upstream.from, life: upstream.life };
        let way = Way { id: id.clone(), asks, words };
        let room = Room { key: key.id.clone(), server: server.to_owned(), way: way.clone() };
        lock(&self.rooms).by_id.insert(id.clone(), room);
        let face = Arc::clone(self);
        tokio::task::spawn_local(async move {
            Box::pin(live(link, ears, face.foundation.idle, || face.forget(&id))).await;
            lock(&face.rooms).by_id.remove(&ending(&id));
            face.left.notify_one();
        });
        Ok(way)
    }

    /// Takes over what the reload thread has published, and has the sessions do so.
    pub fn adopt(&self, reloads: Vec<Reload>) {
        let foundation = &self.foundation;
        for reload in reloads {
            foundation.queue(reload.notice());
            foundation.alarm(&reload);
            (foundation.say)(&reload.text);
            if let Some(loaded) = &reload.loaded {
                let source = loaded.source.clone();
                foundation.policy(source.clone(), loaded.assignments.clone());
                let config = Arc::clone(&loaded.config);
                *lock(&self.current) = Current { config, source, unguarded: None };
            }
            let reload = Arc::new(reload);
            for room in lock(&self.rooms).by_id.values() {
                let _ = room.way.words.send(Word::Reload(Arc::clone(&reload)));
            }
        }
    }

    /// No new session from here on; those that there are end once they have answered.
    pub fn finish(&self) {
        let mut rooms = lock(&self.rooms);
        rooms.is_ending = true;
        for room in rooms.by_id.values() {
            let _ = room.way.words.send(Word::Finish);
        }
    }

    /// Whether no session is left, not even one that is about to end.
    pub fn is_empty(&self) -> bool {
        lock(&self.rooms).by_id.is_empty()
    }

    /// Records that a request was refused, or counts it among many.
    pub fn note(&self, refused: &Refused, peer: SocketAddr, request: &str) {
        let kind = refused.why.as_str();
        if lock(&self.tally).count(kind, now().steady_us) == Told::Whole {
            let (status, request) = (refused.why.status().as_u16(), shown(request));
            self.write(format!("{kind} ({status}): {request} from {}", peer.ip()));
        }
    }

    /// Writes down how many refusals were only counted.
    pub fn settle(&self) {
        let counted = lock(&self.tally).settle(now().steady_us);
        self.tell(counted);
    }

    /// A look at the policy file, now.
    pub fn look(&self) {
        if let Some(watching) = &self.foundation.watching {
            watching.look();
        }
    }

    /// Has the sessions of keys that were revoked end: what they listen to is not theirs any more.
    pub fn expel(&self) {
        let Ok(keys) = self.foundation.keys.list() else { return };
        let is_revoked = |id: &str| keys.iter().any(|key| key.id == id && key.revoked_ms.is_some());
        let rooms = lock(&self.rooms);
        rooms.by_id.values().filter(|room| is_revoked(&room.key)).for_each(|room| room.way.end());
    }

    /// The end: what waits is written, for `patience` at most.
    pub fn close(&self, patience: Duration) {
        let counted = lock(&self.tally).end();
        self.tell(counted);
        if let Some(store) = self.foundation.store().take() {
            let unwritten = store.finish(patience).unwritten;
            if unwritten > 0 {
                (self.foundation.say)(&format!(
                    "{unwritten} audit records could not be written before the end"
                ));
            }
        }
    }

    fn tell(&self, counted: Vec<(&'static str, u64)>) {
        for (kind, count) in counted {
            self.write(format!("{kind}: {count} more within a minute"));
        }
    }

    fn write(&self, text: String) {
        let notice = Notice { unix_ms: now().unix_ms, kind: NoticeKind::RequestRefused, text };
        self.foundation.queue(notice);
    }

    /// Nobody finds the session any more; it keeps its place in the count until it has ended.
    fn forget(&self, id: &str) {
        let mut rooms = lock(&self.rooms);
        rooms.by_client.retain(|_, of| of != id);
        if let Some(room) = rooms.by_id.remove(id) {
            rooms.by_id.insert(ending(id), Room { server: String::new(), ..room });
        }
    }

    fn has_room(&self, key: &ApiKey) -> Result<(), Refused> {
        let rooms = lock(&self.rooms);
        if rooms.is_ending {
            return Err(Why::Ending.because("callgate is about to end; no session is opened any more"));
        }
        let of_key = rooms.by_id.values().filter(|room| room.key == key.id).count();
        if of_key >= MOST_OF_ONE_KEY || rooms.by_id.len() >= MOST_SESSIONS {
            let hint = "end one with DELETE, or wait until idle ones have ended";
            return Err(Why::TooMany.because(format!("too many sessions are open; {hint}")));
        }
        Ok(())
    }

    fn evidence(&self, current: &Current, info: SessionInfo, links: Box<dyn ResolvePath>) -> Evidence {
        let ground = &self.foundation.ground;
        let store = ground.store(&info);
        store.policy(current.source.clone(), Vec::new());
        let waiting = ground.waiting(&info.session);
        let session = Session::new(Opening {
            terms: current.config.terms(),
            unguarded: current.unguarded,
            facts: facts(&info),
            elsewhere: ground.elsewhere(&info),
            info,
            links,
            steady_us: crate::clock::steady_us,
            random_word: unguessable,
            #[cfg(debug_assertions)]
            fault_at: None,
        });
        let (session, store) = (session.into(), store.into());
        Evidence { session, store, waiting, say: self.foundation.say }
    }
}

/// The answer to a name that no server has.
pub(super) fn unknown_server() -> Refused {
    Why::NotFound.because("no such server: the path is /mcp/NAME, with NAME from [servers.NAME] of mcp.toml")
}

/// A session that has begun to end is kept under a name that no client can send.
fn ending(id: &str) -> String {
    format!("{id}\n")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
