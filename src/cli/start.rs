//! The policy that a session begins with, however it came: from the file, from an earlier revision of it, or not at
//! all.
//!
//! It decides nothing about calls. Invariant: whatever stands in for the file that was named is told on stderr.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::paint;
use super::places::{self, Place};
use crate::alert::{Sender, missing};
use crate::policy::FailMode;
use crate::proxy::{Reloads, Watched, Watching, assigned, source, summary, watch};
use crate::record::{PolicySource, SessionInfo, Topic};
use crate::settings::{Config, Environment, read};
use crate::store::{Options, Reader, Store};

/// A policy at start, however it came.
pub(super) struct Start {
    /// It, and the settings beside it.
    pub config: Arc<Config>,
    /// The file that is watched.
    path: Option<PathBuf>,
    /// Its text, where it is what is in force.
    text: Option<String>,
    /// What it was read with, and what edits will be read with.
    environment: Environment,
    /// What becomes of calls where there is nothing to judge them by.
    pub unguarded: Option<FailMode>,
}

impl Start {
    /// The policy that `place` names, or what stands in for it.
    pub fn load(place: &Place) -> anyhow::Result<Self> {
        let Some(path) = place.file()? else {
            let environment = places::environment(None)?;
            let config = Arc::new(Config::builtin(&environment));
            return Ok(Self {
                config,
                path: places::usual_config(),
                text: None,
                environment,
                unguarded: None,
            });
        };
        match places::File::read(path.clone()) {
            Ok(file) => {
                for note in &file.read.notes {
                    paint::diagnostic(note, &file.path, &file.text);
                }
                Ok(Self {
                    config: Arc::new(file.read.config),
                    path: Some(path),
                    text: Some(file.text),
                    environment: file.environment,
                    unguarded: None,
                })
            }
            Err(error) => Self::without_file(path, error),
        }
    }

    /// The file is missing, unreadable or wrong: the last good revision of that path, loudly; else, where the file
    /// cannot be read at all, `FAIL_MODE`.
    fn without_file(path: PathBuf, error: anyhow::Error) -> anyhow::Result<Self> {
        let environment = places::environment(Some(&path))?;
        if let Some(config) = last_good(&path, &environment) {
            paint::say(&format!("{error:#}; the last good revision of it is in force: {}", summary(&config)));
            let config = Arc::new(config);
            return Ok(Self { config, path: Some(path), text: None, environment, unguarded: None });
        }
        if std::fs::read(&path).is_ok() {
            return Err(error);
        }
        let unguarded = environment.fail_mode.unwrap_or(FailMode::Open);
        paint::say(&format!(
            "{error:#}; no earlier revision is known, so calls are not judged: fail_mode is {unguarded}"
        ));
        Ok(Self {
            config: Arc::new(Config::builtin(&environment)),
            path: Some(path),
            text: None,
            environment,
            unguarded: Some(unguarded),
        })
    }

    /// Watches the file, so that edits take force in the running session.
    pub fn watch(&self, reloads: &Arc<Reloads>) -> anyhow::Result<Option<Watching>> {
        let Some(path) = self.path.clone() else { return Ok(None) };
        let (config, environment) = (Arc::clone(&self.config), self.environment.clone());
        let watched = Watched { path, text: self.text.clone(), config, environment };
        watch(watched, Arc::clone(reloads)).map(Some).context("cannot watch the policy file")
    }

    /// Where alerts go; nothing runs where the file names nobody to tell.
    pub fn alerts(&self) -> anyhow::Result<Arc<Sender>> {
        let alerts = &self.config.settings.alerts;
        for (name, destination) in &alerts.to {
            if let Some(why) = missing(destination) {
                paint::say(&format!("[alerts.to.{name}]: {why}; its alerts wait in the store"));
            }
        }
        let sender = Sender::new(&places::store(&self.config)?);
        sender.adopt(alerts);
        Ok(Arc::new(sender))
    }

    /// Opens the audit store, and records the policy as the first thing in it.
    pub fn store(&self, info: &SessionInfo, alerts: &Arc<Sender>) -> anyhow::Result<Store> {
        let store = Store::start(self.options(alerts)?, info.clone());
        store.policy(self.source(info.unix_ms), assigned(None, &self.config, info.unix_ms, "start"));
        Ok(store)
    }

    /// How the audit store is opened.
    pub fn options(&self, alerts: &Arc<Sender>) -> anyhow::Result<Options> {
        let audit = &self.config.settings.audit;
        let options = Options {
            arguments: audit.arguments,
            durability: audit.durability,
            ..Options::new(places::store(&self.config)?)
        };
        Ok(heard(options, alerts))
    }

    /// The policy as the store keeps it.
    pub fn source(&self, unix_ms: i64) -> PolicySource {
        let (path, text) =
            (self.path.as_deref().unwrap_or(Path::new("")), self.text.as_deref().unwrap_or_default());
        let mut source = source(&self.config, path, text, unix_ms);
        source.path = source.path.filter(|_| self.text.is_some());
        source
    }
}

/// The same, with people told of trouble and the outbox emptied.
pub(super) fn heard(options: Options, alerts: &Arc<Sender>) -> Options {
    let telling = |topic| {
        let alerts = Arc::clone(alerts);
        Box::new(move |text: &str| {
            paint::say(text);
            alerts.alarm(topic, text);
        })
    };
    let ringing = Arc::clone(alerts);
    Options {
        on_trouble: telling(Topic::StoreFailing),
        on_recovery: telling(Topic::StoreRecovered),
        on_alerts: Box::new(move || ringing.ring()),
        ..options
    }
}

/// The last revision of `path` that took force, from the usual store: the file that would name another is missing.
fn last_good(path: &Path, environment: &Environment) -> Option<Config> {
    let reader = Reader::open(&places::default_store().ok()?).ok()?;
    let last = reader.last_policy(&path.display().to_string()).ok()??;
    read(&last.source, environment).ok().map(|read| read.config)
}
