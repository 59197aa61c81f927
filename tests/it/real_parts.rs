//! Real clients and real servers: the same conversation, direct and through a gate, gives the same responses.
//!
//! It refuses to compare what two direct runs would not share: only the time of day is masked, and where it stands.
//!
//! Invariant: every run of a conversation begins with the same files at the same place.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::gates::open_gates;
use crate::support::parts::{self, Node, Python};
use crate::support::process::{Line, Piped, command_line};

/// One conversation: a start of two processes and a dozen calls, on a machine that is busy with other tests.
const CONVERSATION_TIME: Duration = Duration::from_mins(2);

#[test]
fn the_filesystem_server_answers_the_same_through_a_gate() {
    let Some(node) = parts::node("the_filesystem_server_answers_the_same_through_a_gate") else { return };
    compare(&node.server("server-filesystem"), &[Argument::Folder], lay_text_files, &|folder| {
        json!([
            ["tools/list"],
            ["tools/call", "list_allowed_directories", {}],
            ["tools/call", "read_text_file", {"path": folder.join("one.txt")}],
            ["tools/call", "write_file", {"path": folder.join("three.txt"), "content": "drei – three\n"}],
            ["tools/call", "read_multiple_files", {"paths": [folder.join("one.txt"), folder.join("three.txt")]}],
            ["tools/call", "directory_tree", {"path": folder}],
            ["tools/call", "read_text_file", {"path": "/etc/hostname"}],
            ["tools/call", "no_such_tool", {}],
            ["resources/list"],
            ["ping"],
        ])
    });
}

#[test]
fn the_everything_server_answers_the_same_through_a_gate() {
    let Some(node) = parts::node("the_everything_server_answers_the_same_through_a_gate") else { return };
    compare(&node.server("server-everything"), &[], lay_nothing, &|_| {
        json!([
            ["tools/list"],
            ["resources/list"],
            ["resources/templates/list"],
            ["prompts/list"],
            ["tools/call", "echo", {"message": "caf\u{e9} \u{1f980} \u{2028} \"quoted\" \\ \u{0}"}],
            ["tools/call", "get-sum", {"a": 0.1, "b": 9_007_199_254_740_993_i64}],
            ["tools/call", "get-tiny-image", {}],
            ["tools/call", "get-structured-content", {"location": "Chicago"}],
            ["tools/call", "get-annotated-message", {"messageType": "error", "includeImage": true}],
            ["tools/call", "trigger-long-running-operation", {"duration": 0.2, "steps": 2}],
            ["tools/call", "get-sum", {"a": "not a number"}],
            ["prompts/get", "args-prompt", {"city": "Turin"}],
            ["resources/read", "demo://resource/static/document/features.md"],
            ["resources/read", "demo://resource/none"],
            ["ping"],
        ])
    });
}

#[test]
fn the_git_server_answers_the_same_through_a_gate() {
    let Some(python) = parts::python("the_git_server_answers_the_same_through_a_gate") else { return };
    compare(&python.server("mcp_server_git"), &[], lay_repository, &|folder| {
        json!([
            ["tools/list"],
            ["tools/call", "git_status", {"repo_path": folder}],
            ["tools/call", "git_diff_unstaged", {"repo_path": folder}],
            ["tools/call", "git_add", {"repo_path": folder, "files": ["one.txt"]}],
            ["tools/call", "git_commit", {"repo_path": folder, "message": "second"}],
            ["tools/call", "git_log", {"repo_path": folder, "max_count": 5}],
            ["tools/call", "git_show", {"repo_path": folder, "revision": "HEAD"}],
            ["tools/call", "git_checkout", {"repo_path": folder, "branch_name": "no-such-branch"}],
        ])
    });
}

#[test]
fn the_time_server_answers_the_same_through_a_gate() {
    let Some(python) = parts::python("the_time_server_answers_the_same_through_a_gate") else { return };
    compare(&python.server("mcp_server_time"), &[], lay_nothing, &|_| {
        json!([
            ["tools/list"],
            ["tools/call", "get_current_time", {"timezone": "Asia/Kolkata"}],
            ["tools/call", "get_current_time", {"timezone": "Nowhere/Land"}],
            ["tools/call", "convert_time",
                {"source_timezone": "Asia/Tokyo", "time": "12:30", "target_timezone": "Asia/Kolkata"}],
            ["tools/call", "convert_time", {"time": 12}],
        ])
    });
}

#[test]
fn the_rust_sdk_server_answers_the_same_through_a_gate() {
    let server = [parts::example("rmcp-server").to_str().unwrap().to_owned()];
    compare(&server, &[Argument::Folder], lay_text_files, &|_| {
        json!([
            ["tools/list"],
            ["prompts/list"],
            ["tools/call", "echo", {"text": "una frase \u{2028} e \u{1f980}"}],
            ["tools/call", "add", {"a": 40, "b": 2}],
            ["tools/call", "add", {"a": "forty", "b": 2}],
            ["tools/call", "read_file", {"path": "one.txt"}],
            ["tools/call", "delete_file", {"path": "one.txt"}],
            ["tools/call", "read_file", {"path": "one.txt"}],
            ["tools/call", "read_file", {"path": "../one.txt"}],
            ["tools/call", "no_such_tool", {}],
        ])
    });
}

/// What a server's command ends with.
enum Argument {
    /// The folder that the conversation is about.
    Folder,
}

/// Leads the conversation with both clients, direct and through each gate, and expects the same responses.
fn compare(server: &[String], arguments: &[Argument], lay: fn(&Path), steps: &dyn Fn(&Path) -> Value) {
    let home = tempfile::tempdir().unwrap();
    // Servers resolve links, so that the folder is named as they will name it.
    let folder = home.path().canonicalize().unwrap().join("folder");
    let mut server: Vec<OsString> = server.iter().map(OsString::from).collect();
    server.extend(arguments.iter().map(|Argument::Folder| folder.clone().into_os_string()));
    let steps = steps(&folder);
    for client in clients() {
        let converse = |prefix: &[OsString]| {
            fs::remove_dir_all(&folder).ok();
            fs::create_dir_all(&folder).unwrap();
            lay(&folder);
            conversation(&client, &[prefix, &server].concat(), &steps)
        };
        let direct = converse(&[]);
        assert_eq!(direct.len(), steps.as_array().unwrap().len() + 1, "{direct:?}");
        assert!(direct[1]["tools"].as_array().is_some_and(|tools| !tools.is_empty()), "{}", direct[1]);
        for gate in open_gates() {
            assert_eq!(converse(&gate.prefix), direct, "through {}, with {client:?}", gate.name);
        }
    }
}

/// The commands of the official clients that this machine can run.
fn clients() -> Vec<Vec<String>> {
    let typescript = parts::node("conversations of the TypeScript client");
    let python = parts::python("conversations of the Python client");
    let typescript = typescript.as_ref().map(|node: &Node| node.script("clients/conversation.mjs"));
    let python = python.as_ref().map(|python: &Python| python.script("clients/conversation.py"));
    typescript.into_iter().chain(python).collect()
}

fn conversation(client: &[String], server: &[OsString], steps: &Value) -> Vec<Value> {
    let words: Vec<&str> = server.iter().map(|word| word.to_str().unwrap()).collect();
    let described = json!({"command": words, "steps": steps}).to_string();
    let mut command = command_line(client, &[described]);
    // Two runs are to make the same commit.
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.com");
        command.env(format!("GIT_{who}_DATE"), "2026-01-02T03:04:05+0000");
    }
    let mut client = Piped::start(&mut command);
    client.close_stdin();
    let Line::Said(answers) = client.line(CONVERSATION_TIME) else {
        panic!("the client said nothing; stderr:\n{}", client.stderr())
    };
    assert!(client.wait(CONVERSATION_TIME).is_some_and(|status| status.success()), "{}", client.stderr());
    let mut answers: Vec<Value> = serde_json::from_slice(&answers).unwrap();
    for (step, answer) in steps.as_array().unwrap().iter().zip(answers.iter_mut().skip(1)) {
        if step[1] == "get_current_time" {
            mask_time_of_day(answer);
        }
    }
    answers
}

/// `T15:02:35` becomes `T__:__:__` in the texts of a result.
fn mask_time_of_day(result: &mut Value) {
    let clock = regex::Regex::new(r"T\d\d:\d\d:\d\d").unwrap();
    for content in result["content"].as_array_mut().into_iter().flatten() {
        let masked = clock.replace_all(content["text"].as_str().unwrap(), "T__:__:__").into_owned();
        content["text"] = Value::String(masked);
    }
}

fn lay_nothing(_: &Path) {}

fn lay_text_files(folder: &Path) {
    fs::write(folder.join("one.txt"), "eins – one\n").unwrap();
    fs::create_dir(folder.join("below")).unwrap();
    fs::write(folder.join("below/two.txt"), "two\r\n").unwrap();
}

fn lay_repository(folder: &Path) {
    lay_text_files(folder);
    git(folder, &["init", "--quiet", "--initial-branch", "main"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "--no-gpg-sign", "--message", "first"]);
    fs::write(folder.join("one.txt"), "another\n").unwrap();
}

fn git(folder: &Path, arguments: &[&str]) {
    let nowhere: PathBuf = "/dev/null".into();
    let mut command = Command::new("git");
    command.args(["-c", "user.name=A", "-c", "user.email=a@example.com"]).args(arguments).current_dir(folder);
    for who in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
        command.env(who, "2026-01-01T00:00:00+0000");
    }
    let output = command.env("GIT_CONFIG_GLOBAL", nowhere).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
