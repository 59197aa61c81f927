//! Where sockets of sessions are, and who may have put them there.
//!
//! It refuses folders of others: whoever can put a socket there can show people arguments that will not run. Invariant: a
//! name that ends in `.sock` is listened at, or whoever listened is dead.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use rustix::process::getuid;
use sha2::{Digest, Sha256};
use tokio::net::UnixListener;

/// Longer names of sockets do not fit everywhere (`sockaddr_un`), with what [`listen`] adds for a moment. Bytes.
const LONGEST_PATH: usize = 96;
/// So many entries of a folder are looked at for what is left over. Arbitrary: far more sessions than anybody has.
const MOST_SWEPT: usize = 4_096;

/// Where a session's socket may be, best first: beside the store, or where that is too long a name or cannot be written,
/// where the system has folders for such things. Who asks need not have the environment of who answers.
pub(super) fn places(store: &Path, session: &str) -> Vec<PathBuf> {
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let real = folder.canonicalize().or_else(|_| std::path::absolute(folder));
    let beside = real.unwrap_or_else(|_| folder.to_owned()).join("live").join(format!("{session}.sock"));
    let digest = Sha256::digest(beside.as_os_str().as_encoded_bytes());
    let name = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let elsewhere = |folder: PathBuf| folder.join(format!("{name:016x}.sock"));
    let uid = getuid().as_raw();
    let running =
        std::env::var_os("XDG_RUNTIME_DIR").map_or(format!("/run/user/{uid}").into(), PathBuf::from);
    let all = [
        beside,
        elsewhere(running.join("callgate")),
        elsewhere(std::env::temp_dir().join(format!("callgate-{uid}"))),
        elsewhere(format!("/tmp/callgate-{uid}").into()),
    ];
    all.into_iter().filter(|path| path.is_absolute() && path.as_os_str().len() <= LONGEST_PATH).collect()
}

/// Listens at a path, which has its name only once somebody listens there.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if !is_ours(folder) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    sweep(folder);
    let unnamed = path.with_extension("new");
    let listener = UnixListener::bind(&unnamed)?;
    fs::set_permissions(&unnamed, Permissions::from_mode(0o600))?;
    fs::rename(&unnamed, path)?;
    Ok(listener)
}

/// Whether a folder is one, no link, and of this user. Others may look into it until [`listen`] has closed it.
pub(super) fn is_ours(folder: &Path) -> bool {
    let ours = getuid().as_raw();
    fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == ours)
}

/// Connects at once or not at all: a process that is stopped, or flooded, is waited for by nobody.
pub(super) fn connect_at_once(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let stream = UnixStream::from(socket(AddressFamily::UNIX, SocketType::STREAM, None)?);
    stream.set_nonblocking(true)?;
    connect(&stream, &address)?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Takes away what processes left behind that ended without a word.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_SWEPT) {
        let path = entry.path();
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        let is_named = path.extension().is_some_and(|extension| extension == "sock");
        if is_socket && is_named && is_deserted(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

fn is_deserted(path: &Path) -> bool {
    connect_at_once(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn entered() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_socket_is_for_its_user_alone_and_what_is_deserted_is_taken_away() {
        let runtime = entered();
        let _entered = runtime.enter();
        let folder = tempfile::tempdir().unwrap();
        let live = folder.path().join("live");
        fs::create_dir(&live).unwrap();
        fs::set_permissions(&live, Permissions::from_mode(0o755)).unwrap();
        fs::write(live.join("note.sock"), "no socket").unwrap();
        let (left, here) = (live.join("left.sock"), live.join("here.sock"));
        drop(listen(&left).unwrap());
        let _listens = listen(&here).unwrap();
        assert_eq!((mode(&live), mode(&here)), (0o700, 0o600));
        let _third = listen(&live.join("third.sock")).unwrap();
        let mut names: Vec<_> = fs::read_dir(&live)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["here.sock", "note.sock", "third.sock"]);
    }

    #[test]
    fn a_folder_that_a_link_leads_to_is_not_ours() {
        let runtime = entered();
        let _entered = runtime.enter();
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("live"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert!(is_ours(&real) && !is_ours(&link));
        assert!(listen(&link.join("a.sock")).is_err());
    }

    #[test]
    fn nobody_waits_for_a_socket_whose_queue_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full.sock");
        let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let mut queued = Vec::new();
        let refused = loop {
            match connect_at_once(&path) {
                Ok(stream) => queued.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert!(!is_deserted(&path), "somebody listens");
    }

    #[test]
    fn a_long_way_to_the_store_has_its_socket_elsewhere_and_whoever_asks_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(120));
        fs::create_dir(&deep).unwrap();
        let link = folder.path().join("store");
        symlink(&deep, &link).unwrap();
        let (straight, round) =
            (places(&deep.join("audit.db"), "one"), places(&link.join("audit.db"), "one"));
        assert!(straight.iter().all(|path| !path.starts_with(folder.path())), "{straight:?}");
        assert_eq!((straight.clone(), straight.is_empty()), (round, false));
        assert_ne!(places(&deep.join("audit.db"), "two"), straight);
    }
}
