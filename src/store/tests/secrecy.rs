//! What must not be in the file, and who may open it.

use super::*;

#[test]
fn names_from_outside_are_cut_and_cannot_move_the_cursor() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    store.queue(vec![Record::Call(CallRecord { tool: format!("\u{1b}[2J{}", "x".repeat(100)), ..call(1) })]);
    finish(store);
    let tool = rows(&path).remove(0).tool.unwrap();
    assert!(tool.starts_with("\\u{1b}[2Jxxx"), "{tool}");
    assert!(tool.len() < 80, "{tool}");
}

#[test]
fn the_file_its_log_its_key_and_its_folder_are_for_the_user_alone() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, one(1));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for end in ["", "-wal", "-shm", ".key"] {
        let mut name = path.clone().into_os_string();
        name.push(end);
        assert_eq!(mode(Path::new(&name)), 0o600, "{end}");
    }
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let files: Vec<_> =
        std::fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    finish(store);
}

#[test]
fn a_secret_reaches_no_byte_of_the_file_or_its_log() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    store.policy(policy("rev1", "/p.toml", &format!("# token {SECRET}\nversion = 1\n")), Vec::new());
    store.session(SessionInfo { client: Some(format!("client {SECRET}")), ..info("s") });
    let planted = CallRecord {
        tool: SECRET.to_owned(),
        method: format!("x/{SECRET}"),
        arguments: Some(format!(r#"{{"token":"{SECRET}","path":"/tmp/a"}}"#).into()),
        reason: Some(format!("rule 1 ({SECRET})").into()),
        ..call(1)
    };
    let text = format!("said {SECRET}");
    store.queue(vec![Record::Notice(Notice { unix_ms: 1, kind: NoticeKind::NoiseDiverted, text })]);
    put(&mut store, vec![Record::Call(planted)]);
    let mut bytes = 0;
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap().path();
        let content = std::fs::read(&file).unwrap();
        bytes += content.len();
        for part in [&SECRET[..12], &SECRET[20..]] {
            assert!(
                memchr::memmem::find(&content, part.as_bytes()).is_none(),
                "{part} in {}",
                file.display()
            );
        }
    }
    assert!(bytes > 4_096);
    let row = rows(&path).remove(0);
    assert!(row.arguments.unwrap().as_str().contains("/tmp/a"));
    finish(store);
}
