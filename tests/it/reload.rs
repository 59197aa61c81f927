//! Edits of mcp.toml in a running session, saved the ways that editors and machines save.
//!
//! It refuses to wait a fixed time: a reload is over when its notice stands in the store, after which it is in force.
//!
//! Invariant: each save gives exactly one notice, which the last edit of each test proves by being the next.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use callgate::store::NoticeRow;
use rustix::fs::{FileType, Mode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::home::{Home, Told, no_deleting, until};
use crate::support::process::{Line, McpClient, PATIENCE};

/// What weakens has to wait this long, at least.
const STILL_MS: i64 = 900;
/// A tightening is to take force in a second; a machine that is busy with other tests gets more.
const SOON_MS: i64 = 3_000;

/// A running session and the file that governs it.
struct Edited {
    home: Home,
    client: McpClient,
    notices: usize,
}

impl Edited {
    fn begin(home: Home, options: &[&str]) -> Self {
        let (client, _record) = home.converse(options);
        Self { home, client, notices: 0 }
    }

    fn in_mode(mode: &str) -> Self {
        Self::begin(Home::with_policy(&no_deleting(mode)), &[])
    }

    /// The next notice about the policy, which must be of this kind; and how long after the save it came.
    fn next(&mut self, kind: &str, save: impl FnOnce(&Home)) -> (String, i64) {
        save(&self.home);
        let saved_ms = now_ms();
        self.notices += 1;
        let seen = until(PATIENCE, || Some(self.policy_notices()).filter(|all| all.len() >= self.notices));
        let seen = seen.unwrap_or_else(|| panic!("no notice; stderr:\n{}", self.client.server.stderr()));
        assert_eq!(seen.len(), self.notices, "one save, one notice: {seen:#?}");
        let last = seen.last().unwrap();
        assert_eq!(last.kind, kind, "{last:?}");
        (last.text.clone().unwrap(), last.unix_ms - saved_ms)
    }

    fn policy_notices(&self) -> Vec<NoticeRow> {
        let mut notices = self.home.notices();
        notices.retain(|notice| notice.kind.starts_with("policy_"));
        notices
    }

    fn tightened(&mut self, save: impl FnOnce(&Home)) {
        let (_, after_ms) = self.next("policy_loaded", save);
        assert!(after_ms < SOON_MS, "{after_ms} ms");
        assert!(self.blocks());
    }

    fn weakened(&mut self, save: impl FnOnce(&Home)) {
        let (_, after_ms) = self.next("policy_loaded", save);
        assert!(after_ms >= STILL_MS, "{after_ms} ms");
        assert!(!self.blocks());
    }

    /// It is said on stderr as well, and the last good revision stays in force.
    fn refused(&mut self, why: &str, save: impl FnOnce(&Home)) {
        let (text, _) = self.next("policy_refused", save);
        assert!(text.contains("stays in force") && text.contains(why), "{text}");
        let told = until(PATIENCE, || self.client.server.stderr().contains(why).then_some(()));
        assert!(told.is_some(), "{}", self.client.server.stderr());
        assert!(self.blocks());
    }

    fn blocks(&mut self) -> bool {
        let answer = self.client.call("delete_file", &json!({}));
        assert!(answer.get("result").is_some() || answer["error"]["code"] == -32001, "{answer}");
        answer.get("result").is_none()
    }
}

#[test]
fn a_file_renamed_over_it_is_loaded_once() {
    let mut edited = Edited::in_mode("shadow");
    edited.tightened(|home| home.replace_policy(&no_deleting("enforce")));
    edited.weakened(|home| home.replace_policy(&no_deleting("shadow")));
    edited.tightened(|home| home.replace_policy(&no_deleting("enforce")));
}

#[test]
fn a_folder_in_which_something_happens_all_the_time_delays_no_reload() {
    let mut edited = Edited::in_mode("shadow");
    let beside = edited.home.policy().with_file_name("busy");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::write(&beside, "x").unwrap();
                // More often than the pause that ends a burst of events.
                std::thread::park_timeout(Duration::from_millis(5));
            }
        });
        edited.tightened(|home| home.replace_policy(&no_deleting("enforce")));
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_named_pipe_in_place_of_the_file_does_not_end_the_watch() {
    let mut edited = Edited::in_mode("enforce");
    edited.refused("it is no file", |home| {
        let beside = home.policy().with_extension("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &beside, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        fs::rename(beside, home.policy()).unwrap();
    });
    edited.tightened(|home| home.replace_policy(&(no_deleting("enforce") + "# again\n")));
}

#[test]
fn a_file_written_in_place_is_loaded_once() {
    let mut edited = Edited::in_mode("shadow");
    edited.tightened(|home| home.write_policy(&no_deleting("enforce")));
    edited.weakened(|home| home.write_policy(&no_deleting("warn")));
    edited.tightened(|home| home.write_policy(&no_deleting("enforce")));
}

#[test]
fn a_prefix_of_a_file_that_is_being_written_disarms_nothing() {
    let rules = |mode: &str| {
        no_deleting(mode) + "\n[[rule]]\nid = \"second\"\ntools = [\"wipe_volume\"]\naction = \"deny\"\n"
    };
    let mut edited = Edited::begin(Home::with_policy(&rules("enforce")), &[]);
    let whole = rules("enforce") + "\n[[rule]]\nid = \"third\"\ntools = [\"fetch\"]\naction = \"deny\"\n";
    // The first half is a valid file with fewer rules.
    let half = whole.find("\n[[rule]]\nid = \"second\"").unwrap();
    let (_, after_ms) = edited.next("policy_loaded", |home| {
        let mut file = OpenOptions::new().write(true).truncate(true).open(home.policy()).unwrap();
        file.write_all(&whole.as_bytes()[..half]).unwrap();
        // A slow writer: the pause is what is tested.
        assert!(until(Duration::from_millis(300), || None::<()>).is_none());
        file.write_all(&whole.as_bytes()[half..]).unwrap();
    });
    assert!(after_ms < SOON_MS, "{after_ms} ms");
    for tool in ["delete_file", "wipe_volume", "fetch"] {
        assert_eq!(edited.client.call(tool, &json!({}))["error"]["code"], -32001, "{tool}");
    }
    edited.weakened(|home| home.replace_policy(&no_deleting("shadow")));
}

#[test]
fn a_save_as_vim_does_it_is_loaded_once() {
    let mut edited = Edited::in_mode("shadow");
    let vim = |text: String| {
        move |home: &Home| {
            let (file, backup) = (home.policy(), home.policy().with_extension("toml~"));
            fs::remove_file(&backup).ok();
            fs::rename(&file, &backup).unwrap();
            fs::write(&file, text).unwrap();
            fs::remove_file(&backup).unwrap();
        }
    };
    edited.tightened(vim(no_deleting("enforce")));
    edited.weakened(vim(no_deleting("shadow")));
    edited.tightened(vim(no_deleting("enforce")));
}

#[test]
fn a_file_behind_a_link_is_loaded_when_it_is_edited_and_when_the_link_turns() {
    let home = Home::new();
    let real = home.path("elsewhere/real.toml");
    fs::create_dir_all(real.parent().unwrap()).unwrap();
    fs::create_dir_all(home.policy().parent().unwrap()).unwrap();
    fs::write(&real, no_deleting("shadow")).unwrap();
    symlink(&real, home.policy()).unwrap();
    let mut edited = Edited::begin(home, &[]);
    edited.tightened(|_| fs::write(&real, no_deleting("enforce")).unwrap());
    edited.weakened(|home| {
        fs::write(home.path("other.toml"), no_deleting("shadow")).unwrap();
        turn(&home.path("other.toml"), &home.policy());
    });
    edited.tightened(|home| fs::write(home.path("other.toml"), no_deleting("enforce")).unwrap());
}

#[test]
fn a_mounted_volume_that_turns_its_data_link_is_loaded_once() {
    let home = Home::new();
    let mount = home.path("config/callgate");
    let version = |name: &str, mode: &str| {
        fs::create_dir_all(mount.join(name)).unwrap();
        fs::write(mount.join(name).join("mcp.toml"), no_deleting(mode)).unwrap();
    };
    version("..1", "shadow");
    symlink("..1", mount.join("..data")).unwrap();
    symlink("..data/mcp.toml", mount.join("mcp.toml")).unwrap();
    let mut edited = Edited::begin(home, &[]);
    edited.tightened(|_| {
        version("..2", "enforce");
        turn(Path::new("..2"), &mount.join("..data"));
        fs::remove_dir_all(mount.join("..1")).unwrap();
    });
    edited.weakened(|_| {
        version("..3", "shadow");
        turn(Path::new("..3"), &mount.join("..data"));
        fs::remove_dir_all(mount.join("..2")).unwrap();
    });
}

#[test]
fn what_is_no_policy_leaves_the_last_good_one_in_force_and_says_so() {
    let mut edited = Edited::in_mode("enforce");
    edited.refused("1 fault", |home| home.replace_policy("version = 1\nmode = \"shadwo\"\n"));
    edited.refused("the file is empty", |home| home.write_policy(""));
    edited.refused("all rules are gone", |home| home.replace_policy("version = 1\nmode = \"enforce\"\n"));
    edited.refused("cannot be read", |home| fs::remove_file(home.policy()).unwrap());
    edited.refused("cannot be read", |home| fs::write(home.policy(), b"version = 1 # \xff\n").unwrap());
    edited.weakened(|home| home.replace_policy("version = 1\nmode = \"enforce\"\nrule = []\n"));
    edited.tightened(|home| home.replace_policy(&no_deleting("enforce")));
}

#[test]
fn a_fault_is_shown_with_its_place() {
    let mut edited = Edited::in_mode("enforce");
    edited.refused("1 fault", |home| home.replace_policy("version = 1\nmode = \"shadwo\"\n"));
    let told = edited.client.server.stderr();
    assert!(told.contains("mcp.toml:2:8") && told.contains("did you mean"), "{told}");
}

#[test]
fn a_hangup_asks_for_a_look_and_does_not_end_the_session() {
    let mut edited = Edited::in_mode("shadow");
    let pid = Pid::from_raw(edited.client.server.pid().try_into().unwrap()).unwrap();
    let hang_up = || kill_process(pid, Signal::HUP).unwrap();
    hang_up();
    assert!(!edited.blocks());
    edited.tightened(|home| {
        home.replace_policy(&no_deleting("enforce"));
        hang_up();
    });
}

#[test]
fn a_file_that_appears_after_the_start_takes_force() {
    let mut edited = Edited::begin(Home::new(), &[]);
    assert!(!edited.blocks());
    edited.tightened(|home| home.write_policy(&no_deleting("enforce")));
}

#[test]
fn a_fail_mode_that_is_misspelt_starts_nothing() {
    let home = Home::new();
    let told = Told::of(&home.sidecar(&[], ["cat"]).env("FAIL_MODE", "clsoed").output().unwrap());
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
    assert!(told.err.contains("$FAIL_MODE is none of `open`, `closed`, `error`"), "{}", told.err);
}

#[test]
fn without_a_policy_and_an_earlier_one_the_environment_decides() {
    for (word, code, outcome) in [
        ("open", Value::Null, "fail_open"),
        ("closed", json!(-32001), "fail_closed"),
        ("error", json!(-32603), "fail_closed"),
    ] {
        let home = Home::new();
        let mut edited = Edited {
            client: McpClient::open(
                home.sidecar(&["--config", "nowhere.toml"], [crate::support::parts::example("recorder")])
                    .env("CALLGATE_RECORD", home.path("record"))
                    .env("FAIL_MODE", word),
            ),
            home,
            notices: 0,
        };
        let answer = edited.client.call("delete_file", &json!({}));
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert_eq!(edited.home.await_rows(1)[0].outcome.as_deref(), Some(outcome));
        let told = edited.client.server.stderr();
        assert!(told.contains(&format!("fail_mode is {word}")), "{told}");
        edited.tightened(|home| fs::write(home.path("nowhere.toml"), no_deleting("enforce")).unwrap());
    }
}

#[test]
fn a_file_that_is_missing_at_start_is_replaced_by_its_last_good_revision() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let named = home.policy();
    let named = ["--config", named.to_str().unwrap()];
    let mut first = Edited::begin(home, &named);
    assert!(first.blocks());
    first.client.server.close_stdin();
    first.client.server.wait(PATIENCE).unwrap();
    let home = first.home;
    fs::remove_file(home.policy()).unwrap();
    let mut second = Edited::begin(home, &named);
    assert!(second.blocks());
    let told = second.client.server.stderr();
    assert!(told.contains("the last good revision of it is in force"), "{told}");
}

#[test]
fn a_file_with_faults_and_no_earlier_revision_does_not_start() {
    let home = Home::with_policy("version = 1\nmode = \"shadwo\"\n");
    let mut sidecar = home.before_shell("echo started; cat");
    assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(3));
    assert_eq!(sidecar.line(PATIENCE), Line::Closed);
    assert!(sidecar.stderr().contains("shadwo"), "{}", sidecar.stderr());
}

fn turn(target: &Path, link: &Path) {
    let beside = link.with_file_name("turning");
    symlink(target, &beside).unwrap();
    fs::rename(beside, link).unwrap();
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
