//! The edit through a watched file: what is answered, what is in the file, and what the reload tells the store.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::assign;
use crate::proxy::{Loaded, Reloads, Watched, Watching, watch};
use crate::record::Assignment;
use crate::settings::{Config, Environment, read};
use crate::store::{ApiKey, Scope};

const POLICY: &str = "# ours\nversion = 1\nmode = \"shadow\"\n\n[agents.ci-bot]   # the robot\nmode = 'enforce'\n\n\
    [[rule]]\nid = \"r\"\naction = \"deny\"\n";
const PATIENCE: Duration = Duration::from_secs(30);

/// A policy file that is watched.
struct Scene {
    folder: TempDir,
    path: PathBuf,
    config: Arc<Config>,
    reloads: Arc<Reloads>,
    watching: Watching,
}

impl Scene {
    fn with(policy: &str) -> Self {
        Self::in_folder(policy, |folder, text| {
            let path = folder.join("mcp.toml");
            fs::write(&path, text).unwrap();
            path
        })
    }

    fn in_folder(policy: &str, write: fn(&Path, &str) -> PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), policy);
        let environment = Environment::default();
        let config = Arc::new(read(policy, &environment).unwrap().config);
        let reloads = Arc::new(Reloads::default());
        let (text, watched) = (Some(policy.to_owned()), Arc::clone(&config));
        let watched = Watched { path: path.clone(), text, config: watched, environment };
        let watching = watch(watched, Arc::clone(&reloads)).unwrap();
        Self { folder, path, config, reloads, watching }
    }

    fn assign(&self, agent: &str, body: &str) -> (u16, Value) {
        self.assign_by(agent, body, &key("ops", None, &[Scope::Admin]))
    }

    fn assign_by(&self, agent: &str, body: &str, by: &ApiKey) -> (u16, Value) {
        let (status, told) = assign(Some(&self.watching), &self.config, agent, body.as_bytes(), by);
        (status.as_u16(), serde_json::from_slice(&told).unwrap())
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// Waits for the next policy that takes force.
    fn loaded(&self) -> Loaded {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut bell = self.reloads.bell();
        let next = async {
            loop {
                if let Some(loaded) = self.reloads.take().into_iter().find_map(|reload| reload.loaded) {
                    return loaded;
                }
                bell.changed().await.unwrap();
            }
        };
        runtime.block_on(async { tokio::time::timeout(PATIENCE, next).await }).expect("no reload")
    }
}

fn key(name: &str, agent: Option<&str>, scopes: &[Scope]) -> ApiKey {
    ApiKey {
        id: "1".into(),
        name: name.into(),
        agent: agent.map(str::to_owned),
        scopes: scopes.to_vec(),
        created_ms: 1,
        revoked_ms: None,
    }
}

fn to(mode: &str) -> String {
    json!({ "enforcement_mode": mode }).to_string()
}

fn changes(assignments: &[Assignment]) -> Vec<(&str, Option<&str>, Option<&str>, &str)> {
    assignments
        .iter()
        .map(|one| (&*one.scope, one.from.as_deref(), one.to.as_deref(), &*one.origin))
        .collect()
}

#[test]
fn a_mode_is_changed_in_the_file_and_told_with_who_did_it() {
    let scene = Scene::with(POLICY);
    let (status, told) = scene.assign("ci-bot", &to("monitor"));
    let loaded = scene.loaded();
    let revision = &*loaded.config.policy.revision;
    let answer =
        json!({"agent": "ci-bot", "enforcement_mode": "shadow", "from": "enforce", "policyId": revision});
    assert_eq!((status, told), (200, answer));
    assert_eq!(scene.text(), POLICY.replace("'enforce'", "\"shadow\""));
    assert_eq!(
        changes(&loaded.assignments),
        [("agent:ci-bot", Some("enforce"), Some("shadow"), "api:ops")],
        "once, and by nobody else"
    );
    assert_eq!(loaded.assignments[0].revision, loaded.config.policy.revision);
}

#[test]
fn an_agent_that_the_file_does_not_have_gets_a_table() {
    let scene = Scene::with(POLICY);
    let (status, told) = scene.assign("night shift", &to("enforce"));
    assert_eq!((status, &told["from"]), (200, &Value::Null));
    assert_eq!(scene.text(), format!("{POLICY}\n[agents.\"night shift\"]\nmode = \"enforce\"\n"));
    let loaded = scene.loaded();
    assert_eq!(changes(&loaded.assignments), [("agent:night shift", None, Some("enforce"), "api:ops")]);
}

#[test]
fn what_weakens_takes_force_at_once_for_it_was_written_whole() {
    let scene = Scene::with(POLICY);
    // A busy machine may be slow, but hardly every time.
    let is_quick = |_| {
        let began = crate::clock::unix_ms();
        scene.assign("ci-bot", &to("off"));
        let took = scene.loaded().source.unix_ms - began;
        scene.assign("ci-bot", &to("enforce"));
        scene.loaded();
        took < 900
    };
    assert!((0..5).any(is_quick), "it waits as for a file that is being written");
}

#[test]
fn a_mode_that_is_there_already_changes_nothing() {
    let scene = Scene::with(POLICY);
    let before = fs::metadata(&scene.path).unwrap().ino();
    let (status, told) = scene.assign("ci-bot", &to("enforce"));
    assert_eq!(
        (status, &told["from"], &told["enforcement_mode"]),
        (200, &json!("enforce"), &json!("enforce"))
    );
    assert_eq!(told["policyId"], *scene.config.policy.revision);
    assert_eq!((scene.text().as_str(), fs::metadata(&scene.path).unwrap().ino()), (POLICY, before));
}

#[test]
fn a_ceiling_that_holds_the_agent_lower_is_said() {
    let scene = Scene::with("version = 1\nmax_mode = \"warn\"\n");
    let (_, told) = scene.assign("ci-bot", &to("enforce"));
    assert_eq!((&told["enforcement_mode"], &told["capped_to"]), (&json!("enforce"), &json!("warn")));
}

#[test]
fn no_key_changes_the_mode_of_the_agent_that_comes_in_by_it() {
    let scene = Scene::with(&format!("{POLICY}[identity]\nagent = \"somebody\"\n"));
    for (agent, by) in [
        ("ci-bot", key("own", Some("ci-bot"), &[Scope::Admin])),
        ("somebody", key("unnamed", None, &[Scope::Call, Scope::Admin])),
    ] {
        let (status, told) = scene.assign_by(agent, &to("off"), &by);
        assert_eq!((status, &told["error"]["type"]), (403, &json!("own_agent")), "{told}");
    }
    let before = scene.text();
    let (status, _) = scene.assign_by("somebody", &to("warn"), &key("ops", None, &[Scope::Admin]));
    assert!(status == 200 && scene.text() != before);
}

#[test]
fn a_request_that_is_wrong_says_where() {
    let scene = Scene::with(POLICY);
    let long = "x".repeat(65);
    for (agent, body, at, what) in [
        ("ci-bot", "hunter2", None, "no JSON object"),
        ("ci-bot", r#"{"enforcement_mode":"off","enforcement_mode":"shadow"}"#, None, "one meaning"),
        ("ci-bot", "{}", None, "`enforcement_mode` is missing"),
        (
            "ci-bot",
            r#"{"enforcement_mod":"hunter2"}"#,
            Some("/enforcement_mod"),
            "did you mean `enforcement_mode`?",
        ),
        (
            "ci-bot",
            r#"{"enforcement_mode":"hunter2"}"#,
            Some("/enforcement_mode"),
            "off, shadow, warn, enforce",
        ),
        ("ci-bot", r#"{"enforcement_mode":null}"#, Some("/enforcement_mode"), "is no mode"),
        ("", r#"{"enforcement_mode":"off"}"#, None, "1 to 64"),
        ("a\nb", r#"{"enforcement_mode":"off"}"#, None, "1 to 64"),
        (&long, r#"{"enforcement_mode":"off"}"#, None, "1 to 64"),
    ] {
        let (status, told) = scene.assign(agent, body);
        assert_eq!((status, told["error"]["at"].as_str()), (400, at), "{agent} {body} {told}");
        assert!(told.to_string().contains(what) && !told.to_string().contains("hunter2"), "{told}");
    }
    assert_eq!(scene.text(), POLICY);
}

/// The reason why a file is not edited; it is as it was.
fn refused(scene: &Scene, text: &str) -> String {
    let (status, told) = scene.assign("ci-bot", &to("shadow"));
    assert_eq!((status, &told["error"]["type"]), (409, &json!("not_edited")), "{told}");
    assert_eq!(scene.text(), text);
    let names = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let left: Vec<String> =
        fs::read_dir(scene.folder.path()).unwrap().map(|entry| names(entry.unwrap())).collect();
    assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
    told["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn where_the_file_cannot_be_written_nothing_is() {
    let scene = Scene::with(POLICY);
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&scene.path, 0o444);
    assert!(refused(&scene, POLICY).ends_with("mcp.toml` is read-only"));
    set(&scene.path, 0o644);
    set(scene.folder.path(), 0o555);
    assert!(refused(&scene, POLICY).ends_with("` is read-only"));
    set(scene.folder.path(), 0o755);
    assert_eq!(scene.assign("ci-bot", &to("shadow")).0, 200);
}

#[test]
fn a_file_that_is_no_policy_is_left_to_people() {
    let scene = Scene::with(POLICY);
    for (text, why) in [
        ("version = 1\nmood = 1\n", "mcp.toml:2: "),
        ("version = 1\n[agents\n", "not valid TOML"),
        ("version = 1\n", "has lost all its rules"),
        (
            "version = 1\nrule = []\nagents = { ci-bot.fail_mode = \"open\" }\n",
            "write [agents.ci-bot] as a table",
        ),
    ] {
        fs::write(&scene.path, text).unwrap();
        let told = refused(&scene, text);
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn without_a_file_there_is_nothing_to_edit() {
    let scene = Scene::with(POLICY);
    fs::remove_file(&scene.path).unwrap();
    let (status, told) = scene.assign("ci-bot", &to("shadow"));
    assert_eq!(status, 409);
    assert!(told["error"]["message"].as_str().unwrap().starts_with("there is no policy file at `"), "{told}");
    let (status, _) =
        assign(None, &scene.config, "ci-bot", to("shadow").as_bytes(), &key("ops", None, &[Scope::Admin]));
    assert_eq!(status.as_u16(), 409);
}

#[test]
fn the_file_keeps_its_mode_and_the_links_that_lead_to_it() {
    let scene = Scene::in_folder(POLICY, |folder, text| {
        fs::create_dir(folder.join("real")).unwrap();
        let real = folder.join("real/policy.toml");
        fs::write(&real, text).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real/policy.toml", folder.join("mcp.toml")).unwrap();
        folder.join("mcp.toml")
    });
    assert_eq!(scene.assign("ci-bot", &to("warn")).0, 200);
    assert!(fs::symlink_metadata(&scene.path).unwrap().is_symlink());
    let real = fs::metadata(scene.folder.path().join("real/policy.toml")).unwrap();
    assert_eq!((real.mode() & 0o7777, scene.text().contains("mode = \"warn\"")), (0o640, true));
    assert_eq!(fs::read_dir(scene.folder.path().join("real")).unwrap().count(), 1);
    assert_eq!(changes(&scene.loaded().assignments).len(), 1);
}

#[test]
fn what_the_file_includes_stays_part_of_the_policy() {
    let text = "version = 1\ninclude = [\"more/rules.toml\"]\n[agents.ci-bot]\nmode = \"shadow\"";
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    let rules = "[[rule]]\nid = \"elsewhere\"\naction = \"deny\"\n";
    fs::write(folder.path().join("more/rules.toml"), rules).unwrap();
    let path = folder.path().join("mcp.toml");
    fs::write(&path, text).unwrap();
    let environment = Environment::default();
    let joined = crate::proxy::gather(&path, &environment).unwrap();
    let config = Arc::new(read(&joined, &environment).unwrap().config);
    let reloads = Arc::new(Reloads::default());
    let watched =
        Watched { path: path.clone(), text: Some(joined), config: Arc::clone(&config), environment };
    let watching = watch(watched, Arc::clone(&reloads)).unwrap();
    let scene = Scene { folder, path, config, reloads, watching };
    let (status, told) = scene.assign("ci-bot", &to("enforce"));
    assert_eq!(status, 200, "{told}");
    assert_eq!(scene.text(), text.replace("shadow", "enforce"));
    let loaded = scene.loaded();
    assert_eq!(
        (told["policyId"].as_str(), loaded.config.policy.rules.len()),
        (Some(&*loaded.config.policy.revision), 1)
    );
    assert_eq!(loaded.assignments[0].origin, "api:ops");
}

#[test]
fn of_two_edits_at_once_none_is_lost() {
    let scene = Scene::with(POLICY);
    let agents: Vec<String> = (0..8).map(|number| format!("agent-{number}")).collect();
    std::thread::scope(|scope| {
        for agent in &agents {
            scope.spawn(|| assert_eq!(scene.assign(agent, &to("warn")).0, 200));
        }
    });
    let config = read(&scene.text(), &Environment::default()).unwrap().config;
    assert!(agents.iter().all(|agent| config.policy.agents.contains_key(agent)), "{}", scene.text());
    let mut credited = Vec::new();
    while credited.len() < agents.len() {
        credited.extend(scene.loaded().assignments);
    }
    assert!(credited.iter().all(|one| one.origin == "api:ops"), "{credited:?}");
}
