//! Keys: found by their text alone, gone once revoked, and nowhere in the file.

use super::*;

fn made(keys: &Keys, name: &str) -> (ApiKey, Secret) {
    match keys.add(name, Some("ci-bot"), &[Scope::Check, Scope::Call, Scope::Check]).unwrap() {
        Added::Made(key, secret) => (key, secret),
        Added::NameTaken(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_found_by_its_text_and_by_nothing_else() {
    let (_folder, path) = folder();
    let keys = Keys::open(&path).unwrap();
    assert!(!keys.any().unwrap());
    let (key, secret) = made(&keys, "ci");
    assert_eq!((key.agent.as_deref(), &key.scopes[..]), (Some("ci-bot"), &[Scope::Call, Scope::Check][..]));
    assert!(key.may(Scope::Check) && !key.may(Scope::Admin));
    assert_eq!(keys.find(secret.reveal()).unwrap().as_ref(), Some(&key));
    assert!(keys.any().unwrap());
    let longer = format!("{}0", secret.reveal());
    for other in ["", "cg_", &key.id, "ci", &secret.reveal()[3..], &longer, &secret.reveal().to_uppercase()] {
        assert_eq!(keys.find(other).unwrap(), None, "{other}");
    }
}

#[test]
fn a_key_that_another_process_revoked_lets_nobody_in() {
    let (_folder, path) = folder();
    let (here, there) = (Keys::open(&path).unwrap(), Keys::open(&path).unwrap());
    let (key, secret) = made(&here, "ci");
    assert!(there.find(secret.reveal()).unwrap().is_some());
    let Revoked::Now(revoked) = here.revoke("ci").unwrap() else { panic!("not revoked") };
    assert_eq!((&revoked.id, revoked.revoked_ms.is_some()), (&key.id, true));
    assert_eq!(there.find(secret.reveal()).unwrap(), None);
    assert!(!there.any().unwrap());
    assert_eq!(there.revoke(&key.id).unwrap(), Revoked::Before(revoked.clone()));
    assert_eq!(there.revoke("ci").unwrap(), Revoked::Before(revoked));
    assert_eq!(there.revoke("c").unwrap(), Revoked::Unknown);
}

#[test]
fn two_keys_in_use_never_share_a_name() {
    let (_folder, path) = folder();
    let keys = Keys::open(&path).unwrap();
    let (first, secret) = made(&keys, "ci");
    let Added::NameTaken(other) = keys.add("ci", None, &[]).unwrap() else { panic!("a second one") };
    assert_eq!(other, first);
    keys.revoke(&first.id).unwrap();
    let (second, _) = made(&keys, "ci");
    assert_eq!(keys.find(secret.reveal()).unwrap(), None, "the name gives the old key nothing back");
    assert!(matches!(keys.revoke("ci").unwrap(), Revoked::Now(key) if key.id == second.id));
    let listed: Vec<_> =
        keys.list().unwrap().into_iter().map(|key| (key.id, key.revoked_ms.is_some())).collect();
    assert_eq!(listed, [(first.id, true), (second.id, true)]);
}

#[test]
fn a_key_is_in_no_byte_of_the_store_nor_in_what_is_printed_of_it() {
    let (_folder, path) = folder();
    let keys = Keys::open(&path).unwrap();
    let added = keys.add("visible-name", None, &[Scope::Admin]).unwrap();
    let shown = format!("{added:?}");
    let Added::Made(_, secret) = added else { panic!("{shown}") };
    keys.revoke("visible-name").unwrap();
    let random = &secret.reveal()[3..];
    assert_eq!((random.len(), shown.contains(random)), (52, false));
    let files = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
    let bytes: Vec<u8> = files.flat_map(|file| std::fs::read(file).unwrap()).collect();
    assert!(memchr::memmem::find(&bytes, b"visible-name").is_some());
    for part in [&random[..12], &random[20..32], &random[40..]] {
        assert!(memchr::memmem::find(&bytes, part.as_bytes()).is_none(), "{part}");
    }
}

#[test]
fn keys_and_revocations_are_only_ever_added() {
    let (_folder, path) = folder();
    let keys = Keys::open(&path).unwrap();
    made(&keys, "ci");
    keys.revoke("ci").unwrap();
    let connection = Connection::open(&path).unwrap();
    for sql in [
        "UPDATE keys SET scopes = 'admin'",
        "DELETE FROM keys",
        "UPDATE revocations SET ts = 0",
        "DELETE FROM revocations",
    ] {
        let error = connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
}

#[test]
fn what_a_later_version_calls_a_scope_gives_nothing() {
    let (_folder, path) = folder();
    let keys = Keys::open(&path).unwrap();
    let row = "INSERT INTO keys (key_id, name, hash, scopes, ts) VALUES ('x', 'n', x'00', 'check,all,', 1)";
    Connection::open(&path).unwrap().execute(row, []).unwrap();
    assert_eq!(keys.list().unwrap()[0].scopes, [Scope::Check]);
}
