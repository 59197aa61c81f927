//! The HTTP face, through the binary: who comes in, what reaches servers, what comes back and what is recorded.
//!
//! It refuses to use a client that hides bytes: every request is written out.
//!
//! Invariant: where a request is refused, the server's own record shows that nothing reached it.

mod admission;
mod beyond;
mod life;
mod modern;
mod sessions;

use std::path::PathBuf;

use callgate::store::Scope;

use crate::support::face::{Face, key};
use crate::support::home::{Home, no_deleting};
use crate::support::parts;

/// A face before one recorder, with a key for calls.
struct Stage {
    home: Home,
    face: Face,
    key: String,
    record: PathBuf,
}

impl Stage {
    /// One rule against `delete_file`, in this mode.
    fn new(mode: &str) -> Self {
        Self::with(&no_deleting(mode), &[])
    }

    fn with(policy: &str, options: &[&str]) -> Self {
        let home = Home::new();
        let record = home.path("record");
        home.write_policy(&format!("{policy}\n{}", recorder(&record)));
        let key = key(&home, "caller", None, &[Scope::Call]);
        let face = Face::start(&home, options);
        Self { home, face, key, record }
    }

    /// One server that is a shell script.
    fn script(mode: &str, script: &str) -> Self {
        let home = Home::new();
        let server = toml::Value::String(script.to_owned());
        home.write_policy(&format!(
            "{}\n[servers.one]\ncommand = \"sh\"\nargs = [\"-c\", {server}]\n",
            no_deleting(mode)
        ));
        let key = key(&home, "caller", None, &[Scope::Call]);
        let face = Face::start(&home, &[]);
        let record = home.path("record");
        Self { home, face, key, record }
    }

    /// What reached the server so far.
    fn reached(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.record).unwrap_or_default()).into_owned()
    }
}

fn recorder(record: &std::path::Path) -> String {
    format!(
        "[servers.one]\ncommand = {:?}\nenv = {{ CALLGATE_RECORD = {:?} }}\n",
        parts::example("recorder").to_str().unwrap(),
        record.to_str().unwrap()
    )
}
