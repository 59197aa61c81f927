//! Real parts: the official clients, the reference servers and other languages' parsers, pinned and fetched on demand.
//!
//! It refuses to pass over what is missing in silence: a test that cannot run says so by name, and fails under `CI`.
//!
//! Invariant: a folder of parts is used only after the mark of its completion stands in it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

/// Written last into a folder of parts.
const MARK: &str = ".complete";

/// Node with the parts of `fixtures/clients/package.json`.
pub struct Node(PathBuf);

impl Node {
    /// `node SCRIPT FOLDER`, to which a script's own arguments are added; the parts lie in the folder.
    pub fn script(&self, script: &str) -> Vec<String> {
        vec!["node".to_owned(), text(&fixture(script)), text(&self.0)]
    }

    /// The command of a server package, such as `server-everything`.
    pub fn server(&self, package: &str) -> Vec<String> {
        let main = self.0.join("node_modules/@modelcontextprotocol").join(package).join("dist/index.js");
        vec!["node".to_owned(), text(&main)]
    }
}

/// Node 22 with the parts of `fixtures/servers/conformance/package.json`: the scenarios, both SDKs, gateways.
pub struct Modern {
    folder: PathBuf,
    node: PathBuf,
}

impl Modern {
    fn new(folder: PathBuf) -> Self {
        let shipped = |machine: &str| folder.join(format!("node_modules/node-linux-{machine}/bin/node"));
        let node = ["x64", "arm64"].map(shipped).into_iter().find(|node| node.exists());
        Self { folder, node: node.unwrap_or_else(|| "node".into()) }
    }

    /// `node SCRIPT FOLDER`, to which a script's own arguments are added; the parts lie in the folder.
    pub fn script(&self, script: &str) -> Vec<String> {
        vec![text(&self.node), text(&fixture(script)), text(&self.folder)]
    }

    /// `node MAIN`, for a file below `node_modules`.
    pub fn package(&self, main: &str) -> Vec<String> {
        vec![text(&self.node), text(&self.folder.join("node_modules").join(main))]
    }
}

/// Python with the parts of `fixtures/clients/requirements.txt`.
pub struct Python(PathBuf);

impl Python {
    /// `python SCRIPT`, to which a script's own arguments are added.
    pub fn script(&self, script: &str) -> Vec<String> {
        vec![text(&self.0), text(&fixture(script))]
    }

    /// The command of a server module, such as `mcp_server_git`.
    pub fn server(&self, module: &str) -> Vec<String> {
        vec![text(&self.0), "-m".to_owned(), module.to_owned()]
    }
}

/// Node and its parts, installed the first time. `None`, and said so for `test`, where there is no Node.
pub fn node(test: &str) -> Option<Node> {
    npm("npm", "clients").map(Node).map_err(|why| not_run(test, "Node", &why)).ok()
}

/// Node 22 and its parts, installed the first time. `None`, and said so for `test`, where there is no Node.
pub fn modern(test: &str) -> Option<Modern> {
    let found = npm("conformance", "servers/conformance");
    found.map(Modern::new).map_err(|why| not_run(test, "Node", &why)).ok()
}

/// Python and its parts, installed the first time. `None`, and said so for `test`, where there is no Python.
pub fn python(test: &str) -> Option<Python> {
    let manifest = fixture("clients/requirements.txt");
    let install = |folder: &Path| {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
        let mut pip = Command::new(folder.join("venv/bin/python"));
        succeed(
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&manifest),
        )
    };
    let found = parts("py", std::slice::from_ref(&manifest), install);
    found
        .map(|folder| Python(folder.join("venv/bin/python")))
        .map_err(|why| not_run(test, "Python", &why))
        .ok()
}

/// A Go program among the fixtures, built the first time. `None`, and said so for `test`, where there is no Go.
pub fn go(test: &str, source: &str) -> Option<PathBuf> {
    let source = fixture(source);
    let install = |folder: &Path| {
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(folder.join("program")).arg(&source);
        succeed(build.env("GOCACHE", folder.join("cache")).env("GO111MODULE", "off").env("GOFLAGS", ""))?;
        std::fs::remove_dir_all(folder.join("cache")).map_err(|error| error.to_string())
    };
    let found = parts("go", std::slice::from_ref(&source), install);
    found.map(|folder| folder.join("program")).map_err(|why| not_run(test, "Go", &why)).ok()
}

/// A file or folder among the fixtures.
pub fn fixture(path: &str) -> PathBuf {
    root().join("fixtures").join(path)
}

/// The folder of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the larger test data: under `$CALLGATE_TEST_DATA`, else beside the repository. `None`, and said so,
/// where it is not; the repository's own fixtures then stand alone.
pub fn test_data(path: &str) -> Option<PathBuf> {
    let folder =
        std::env::var_os("CALLGATE_TEST_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let file = folder.join(path);
    if file.exists() {
        return Some(file);
    }
    say(&format!("NOT RUN over the larger test data: no {path} in $CALLGATE_TEST_DATA or ../shared/data"));
    None
}

/// The executable of an example server, which `cargo test` builds before the tests run.
pub fn example(name: &str) -> PathBuf {
    let profile = profile_folder();
    let path = profile.join("examples").join(name);
    if !path.exists() {
        // `cargo test --test it` alone does not build examples.
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--examples"]).current_dir(root());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        locked(&parts_folder(), "examples", || succeed(&mut build)).unwrap();
    }
    path
}

/// Says that a test could not run, and fails it where everything must run.
pub fn not_run(test: &str, what: &str, why: &str) {
    say(&format!("NOT RUN: {test}: it needs {what}: {why}"));
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{test} must run under CI, and {what} is missing"
    );
}

/// Writes past the capture of test output, so that it is seen when all is well, too.
pub fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// The packages of one folder among the fixtures. The scripts of packages are not run.
fn npm(kind: &str, folder: &str) -> Result<PathBuf, String> {
    let manifests = ["package.json", "package-lock.json", ".npmrc"].map(|name| fixture(folder).join(name));
    let install = |folder: &Path| {
        for manifest in &manifests {
            std::fs::copy(manifest, folder.join(manifest.file_name().unwrap()))
                .map_err(|error| error.to_string())?;
        }
        succeed(Command::new("npm").args(["ci", "--ignore-scripts"]).current_dir(folder))
    };
    succeed(Command::new("node").arg("--version"))?;
    parts(kind, &manifests, install)
}

/// The folder of one kind of parts, made by `install` if no process has made it yet. It is named after the contents of
/// its manifests, so a changed pin is a new folder.
fn parts(
    kind: &str,
    manifests: &[PathBuf],
    install: impl Fn(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let mut hash = Sha256::new();
    for manifest in manifests {
        hash.update(std::fs::read(manifest).map_err(|error| format!("{}: {error}", manifest.display()))?);
    }
    let short = hash.finalize().iter().take(6).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let name = format!("{kind}-{short}");
    let folder = parts_folder().join(&name);
    locked(&parts_folder(), &name, || {
        if folder.join(MARK).exists() {
            return Ok(());
        }
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        install(&folder)?;
        File::create(folder.join(MARK)).map(drop).map_err(|error| error.to_string())
    })?;
    Ok(folder)
}

/// Runs `work` while no other thread or process runs work of that name.
fn locked(folder: &Path, name: &str, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let lock = File::create(folder.join(format!("{name}.lock"))).map_err(|error| error.to_string())?;
    // Each call has its own open file, so the lock holds between threads, too; it ends with the file.
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| error.to_string())?;
    work()
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output =
        command.output().map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    let complaint = || format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    output.status.success().then_some(()).ok_or_else(complaint)
}

fn parts_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("parts")
}

fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_installed_once_and_again_after_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("manifest");
        std::fs::write(&manifest, format!("{:?}", folder.path())).unwrap();
        let manifests = [manifest];
        let fail = |_: &Path| Err("no network".to_owned());
        assert_eq!(parts("test", &manifests, fail), Err("no network".to_owned()));
        let write = |text: &'static str| {
            move |folder: &Path| std::fs::write(folder.join("part"), text).map_err(|error| error.to_string())
        };
        let first = parts("test", &manifests, write("first")).unwrap();
        let second = parts("test", &manifests, write("second")).unwrap();
        assert_eq!(first, second);
        assert_eq!(std::fs::read_to_string(first.join("part")).unwrap(), "first");
        std::fs::remove_file(first.with_extension("lock")).unwrap();
        std::fs::remove_dir_all(first).unwrap();
    }
}
