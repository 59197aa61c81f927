//! Hot reload: watches the policy file, with all that it includes, and publishes each revision once.
//!
//! Editors save by rename, by truncating and writing, through symbolic links; Kubernetes swaps a link two levels
//! up. So the folders on the way are watched, the content decides whether anything changed, and a look each second
//! makes up for file systems that do not tell.
//!
//! Invariant: the last good policy stays in force until a better one has been read whole. A prefix of a file that
//! is being written may be valid, so what weakens waits until the file has been still for [`STILL`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

use super::edit::{Change, Edited, Unedited, edit};
use super::origins::Origins;
use super::sources::{gather, places};
use crate::clock::now;
use crate::policy::{assignments, lowered, revision, weakens};
use crate::record::{Assignment, Notice, NoticeKind, PolicySource};
use crate::settings::{Config, Environment, is_blank, read, suddenly_blank, suddenly_rule_less};

/// How long a file must have been still before what weakens takes force.
const STILL: Duration = Duration::from_secs(1);
/// How long a fault must have stood before people hear of it: saving takes a moment.
const SETTLED: Duration = Duration::from_millis(400);
/// A save is several events; they are looked at together.
const BURST: Duration = Duration::from_millis(30);
/// What goes on for longer in one folder is not a save of one file.
const LONGEST_BURST: Duration = Duration::from_millis(300);
/// How often the file is looked at all the same: not every file system tells, and watches can run out.
const POLL: Duration = Duration::from_secs(1);

/// What came of a change.
#[derive(Debug, Clone)]
pub struct Reload {
    /// The new policy; `None` where it was refused.
    pub loaded: Option<Loaded>,
    /// What people are told.
    pub text: String,
    /// When it happened, milliseconds since the Unix epoch.
    pub unix_ms: i64,
}

/// A policy that has been read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// It and the settings beside it.
    pub config: Arc<Config>,
    /// Its text, for the store.
    pub source: PolicySource,
    /// What changed against the one before.
    pub assignments: Vec<Assignment>,
    /// Who is under a weaker mode than before.
    pub lowered: Vec<String>,
}

/// Reloads on their way to the driver.
#[derive(Debug)]
pub struct Reloads {
    waiting: Mutex<Vec<Reload>>,
    bell: watch::Sender<()>,
}

/// Keeps a watch going, asks it to look now (SIGHUP), and edits what is watched.
pub struct Watching {
    ask: Sender<()>,
    path: PathBuf,
    environment: Environment,
    origins: Arc<Origins>,
}

/// What is in force when the watch begins.
pub struct Watched {
    /// The file.
    pub path: PathBuf,
    /// Its text as it was last read; `None` where it could not be.
    pub text: Option<String>,
    /// The policy in force.
    pub config: Arc<Config>,
    /// What else a file is read with.
    pub environment: Environment,
}

impl Reload {
    /// The reload as the store keeps it: its first line.
    pub fn notice(&self) -> Notice {
        let kind = if self.loaded.is_some() { NoticeKind::PolicyLoaded } else { NoticeKind::PolicyRefused };
        let text = self.text.lines().next().unwrap_or_default().to_owned();
        Notice { unix_ms: self.unix_ms, kind, text }
    }
}

impl Default for Reloads {
    fn default() -> Self {
        Self { waiting: Mutex::default(), bell: watch::channel(()).0 }
    }
}

impl Reloads {
    /// Rings whenever something waits.
    pub fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// Takes what waits, oldest first.
    pub fn take(&self) -> Vec<Reload> {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, reload: Reload) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(reload);
        self.bell.send_replace(());
    }
}

impl Watching {
    /// Asks for a look at the file now.
    pub fn look(&self) {
        // A watch that has ended has nothing to look at.
        let _ = self.ask.send(());
    }

    /// Edits the file. The assignments that come of it name `origin`, and take force at once.
    ///
    /// # Errors
    /// Why the file is as it was.
    pub fn edit(&self, in_force: &Config, origin: &str, change: &Change<'_>) -> Result<Edited, Unedited> {
        let mut announced = None;
        let mut ready = |edited: &Edited| {
            let revision = Arc::clone(&edited.after.policy.revision);
            let changes = assignments(Some(&edited.before.policy), &edited.after.policy);
            self.origins.announce(&revision, changes, origin);
            announced = Some(revision);
        };
        let done = edit(&self.path, &self.environment, in_force, change, &mut ready);
        match (&done, announced) {
            (Ok(_), Some(_)) => self.look(),
            (Err(_), Some(revision)) => self.origins.retract(&revision),
            (_, None) => {}
        }
        done
    }
}

/// Watches on a thread of its own until the returned [`Watching`] is dropped.
///
/// # Errors
/// When the thread cannot be started.
pub fn watch(watched: Watched, reloads: Arc<Reloads>) -> std::io::Result<Watching> {
    let (ask, asked) = channel();
    let events = ask.clone();
    let origins = Arc::new(Origins::default());
    let watching = Watching {
        ask,
        path: watched.path.clone(),
        environment: watched.environment.clone(),
        origins: Arc::clone(&origins),
    };
    std::thread::Builder::new().name("reload".into()).spawn(move || {
        // Not every write: a store in the same folder would wake us for each commit.
        let saves = EventKindMask::CREATE | EventKindMask::REMOVE | EventKindMask::ACCESS_CLOSE;
        let told = move |_| {
            let _ = events.send(());
        };
        let eyes = RecommendedWatcher::new(told, notify::Config::default().with_event_kinds(saves));
        let (folders, candidate) = (BTreeSet::new(), None);
        Watch { watched, reloads, origins, watcher: eyes.ok(), folders, candidate }.run(&asked);
    })?;
    Ok(watching)
}

struct Watch {
    watched: Watched,
    reloads: Arc<Reloads>,
    origins: Arc<Origins>,
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    candidate: Option<Candidate>,
}

/// A content of the file that is not in force.
struct Candidate {
    text: Result<String, String>,
    /// Since when the file has held it, steady microseconds.
    since_us: u64,
    /// Whether people have been told that it is refused.
    told: bool,
}

/// What is to become of a candidate.
enum Judged {
    Adopt(Box<Config>),
    /// Adopt it if it is still there after this long.
    Wait(Duration),
    Refuse(String),
}

impl Watch {
    fn run(mut self, asked: &Receiver<()>) {
        self.watched.config.policy.warm();
        let mut wait = Duration::ZERO;
        loop {
            match asked.recv_timeout(wait) {
                Ok(()) => await_quiet(asked),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.follow();
            wait = self.look().map_or(POLL, |next| next.min(POLL));
        }
    }

    /// Watches the folder of the file and of everything that it links to.
    fn follow(&mut self) {
        let files = places(&self.watched.path, &self.watched.environment);
        let wanted = files.iter().flat_map(|file| folders(file)).collect();
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.folders.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        let seen = wanted.iter().filter(|folder| {
            self.folders.contains(*folder) || watcher.watch(folder, RecursiveMode::NonRecursive).is_ok()
        });
        self.folders = seen.cloned().collect();
    }

    /// Compares the file with what is in force; how long until it is worth another look.
    fn look(&mut self) -> Option<Duration> {
        let text = gather(&self.watched.path, &self.watched.environment).map_err(|error| error.to_string());
        // Where there was no file at start, there need be none now.
        if text.as_ref().ok() == self.watched.text.as_ref() {
            self.candidate = None;
            return None;
        }
        let candidate = match self.candidate.take() {
            Some(same) if same.text == text => same,
            Some(_) | None => Candidate { text, since_us: now().steady_us, told: false },
        };
        let age = Duration::from_micros(now().steady_us.saturating_sub(candidate.since_us));
        let is_whole = candidate.text.as_ref().is_ok_and(|text| self.origins.is_whole(&revision(text)));
        match judge(&self.watched, &candidate.text, if is_whole { STILL } else { age }) {
            Judged::Adopt(config) => self.adopt(*config, candidate.text.unwrap_or_default()),
            Judged::Wait(more) => {
                self.candidate = Some(candidate);
                return Some(more);
            }
            Judged::Refuse(why) if age >= SETTLED => {
                if !candidate.told {
                    self.refuse(&why);
                }
                self.candidate = Some(Candidate { told: true, ..candidate });
            }
            Judged::Refuse(_) => {
                self.candidate = Some(candidate);
                return Some(SETTLED.saturating_sub(age));
            }
        }
        None
    }

    fn adopt(&mut self, config: Config, text: String) {
        let config = Arc::new(config);
        let unix_ms = now().unix_ms;
        let mut assignments = assigned(Some(&self.watched.config), &config, unix_ms, "reload");
        self.origins.credit(&config.policy.revision, &mut assignments);
        let loaded = Loaded {
            source: source(&config, &self.watched.path, &text, unix_ms),
            assignments,
            lowered: lowered(&self.watched.config.policy, &config.policy),
            config: Arc::clone(&config),
        };
        let text_for_people = format!("policy reloaded: {}", summary(&config));
        self.watched.config = config;
        self.watched.text = Some(text);
        self.candidate = None;
        self.reloads.put(Reload { loaded: Some(loaded), text: text_for_people, unix_ms });
        self.watched.config.policy.warm();
    }

    fn refuse(&self, why: &str) {
        let path = self.watched.path.display();
        let kept = summary(&self.watched.config);
        let text = format!("policy not reloaded, {kept} stays in force: {path}: {why}");
        self.reloads.put(Reload { loaded: None, text, unix_ms: now().unix_ms });
    }
}

/// Waits for the end of a burst of events, but not for a folder in which something happens all the time.
fn await_quiet(asked: &Receiver<()>) {
    let began_us = now().steady_us;
    let lasted = || Duration::from_micros(now().steady_us.saturating_sub(began_us));
    while asked.recv_timeout(BURST).is_ok() && lasted() < LONGEST_BURST {}
}

fn judge(watched: &Watched, text: &Result<String, String>, age: Duration) -> Judged {
    let text = match text {
        Ok(text) => text,
        Err(error) => return Judged::Refuse(format!("cannot be read ({error})")),
    };
    if is_blank(text) {
        return Judged::Refuse("the file is empty; write `rule = []` to run without rules".into());
    }
    let config = match read(text, &watched.environment) {
        Ok(read) => read.config,
        Err(faults) => {
            let rendered: Vec<_> =
                faults.iter().map(|fault| fault.render(&watched.path.display().to_string(), text)).collect();
            return Judged::Refuse(format!("{}\n{}", count(faults.len()), rendered.join("\n")));
        }
    };
    if suddenly_rule_less(&watched.config, &config) {
        return Judged::Refuse("all rules are gone; write `rule = []` if that is meant".into());
    }
    if let Some(path) = watched.text.as_ref().and_then(|old| suddenly_blank(old, text)) {
        return Judged::Refuse(format!("`{path}` is empty; write `rule = []` there, or take the file away"));
    }
    let more = STILL.saturating_sub(age);
    if !more.is_zero() && weakens(&watched.config.policy, &config.policy) {
        return Judged::Wait(more);
    }
    Judged::Adopt(Box::new(config))
}

fn count(faults: usize) -> String {
    format!("{faults} fault{}", if faults == 1 { "" } else { "s" })
}

/// A policy as the store keeps it.
pub fn source(config: &Config, path: &Path, text: &str, unix_ms: i64) -> PolicySource {
    PolicySource {
        revision: Arc::clone(&config.policy.revision),
        name: config.policy.name.to_string(),
        path: Some(path.display().to_string()),
        source: text.to_owned(),
        unix_ms,
    }
}

/// What changed, as the store keeps it.
pub fn assigned(old: Option<&Config>, new: &Config, unix_ms: i64, origin: &str) -> Vec<Assignment> {
    assignments(old.map(|config| config.policy.as_ref()), &new.policy)
        .into_iter()
        .map(|change| Assignment {
            unix_ms,
            scope: change.scope,
            from: change.from,
            to: change.to,
            revision: Arc::clone(&new.policy.revision),
            origin: origin.to_owned(),
        })
        .collect()
}

/// A policy in a few words: `mode shadow, 7 rules, revision 0123456789ab`.
pub fn summary(config: &Config) -> String {
    let policy = &config.policy;
    let rules = policy.rules.len();
    let plural = if rules == 1 { "" } else { "s" };
    let revision = policy.revision.get(..12).unwrap_or(&policy.revision);
    format!("mode {}, {rules} rule{plural}, revision {revision}", policy.mode)
}

/// The folder of `path`, of what it links to, and so on.
fn folders(path: &Path) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let mut at = path.to_path_buf();
    // Links can form a ring; the kernel gives up after 40 as well.
    for _ in 0..40 {
        let folder = at.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A folder that is yet to be made shows up in the one above.
        folders.extend(folder.ancestors().find(|folder| folder.exists()).map(Path::to_path_buf));
        match std::fs::read_link(&at) {
            Ok(target) => at = folder.join(target),
            Err(_) => break,
        }
    }
    if let Some(folder) = path.canonicalize().ok().as_deref().and_then(Path::parent) {
        folders.insert(folder.to_path_buf());
    }
    folders
}
